"""Scores of cases, tables, figures and reports."""
