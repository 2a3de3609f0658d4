"""Labelled synthetic subjects that stand in for medical data."""
