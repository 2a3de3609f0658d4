"""Metrics: pure functions of two masks (CONTRACTS: Geometry and metrics)."""
