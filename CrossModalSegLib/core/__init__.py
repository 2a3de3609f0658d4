"""Vocabulary of the library: tasks, modalities, volumes, geometry, errors, events."""
