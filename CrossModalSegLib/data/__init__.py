"""Volumes, datasets, phantoms, preprocessing, cohorts and what draws from them."""
