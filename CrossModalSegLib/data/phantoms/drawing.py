"""Dataclasses whose numbers are drawn from documented intervals."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

Interval = tuple[float, float]
Drawn = TypeVar("Drawn")


def between(low: ArrayLike, high: ArrayLike) -> Any:
    """Declare a number, or a tuple of them, that `draw` fills uniformly from [low, high)."""
    return field(metadata={"low": low, "high": high})


def jitter(right: float, anterior: float, superior: float) -> Any:
    """Declare a 3-vector field that `draw` fills uniformly within plus or minus each half-width."""
    half = np.array((right, anterior, superior), dtype=np.float64)
    return field(metadata={"low": -half, "high": half})


def draw(kind: type[Drawn], rng: np.random.Generator) -> Drawn:
    """Make one `kind`, a dataclass of `between` and `jitter` fields, in the order of its fields."""
    values: dict[str, Any] = {}
    for item in fields(kind):  # type: ignore[arg-type]
        drawn = rng.uniform(item.metadata["low"], item.metadata["high"])
        values[item.name] = drawn if np.ndim(drawn) == 0 else tuple(float(v) for v in drawn)
    return kind(**values)
