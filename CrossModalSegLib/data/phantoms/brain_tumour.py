"""A glioma: what is drawn of it, and how far inside each of its regions any point lies."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.data.phantoms.anatomy import Points
from CrossModalSegLib.data.phantoms.brain_lattice import Lattice
from CrossModalSegLib.data.phantoms.drawing import between, draw

TumourKind = Literal["ring", "solid", "non_enhancing"]

KIND_SHARES: dict[TumourKind, float] = {"ring": 0.65, "solid": 0.2, "non_enhancing": 0.15}
"""How often a tumour is a necrosis with an enhancing rim, enhances as a whole, or not at all."""

CORE_OF_WHOLE: dict[TumourKind, tuple[float, float]] = {
    "ring": (0.2, 0.5),
    "solid": (0.12, 0.4),
    "non_enhancing": (0.4, 0.75),
}
"""Share of the whole tumour that is core, the rest oedema."""

NECROSIS_OF_CORE: dict[TumourKind, tuple[float, float]] = {
    "ring": (0.2, 0.6),
    "solid": (0.0, 0.06),
    "non_enhancing": (1.0, 1.0),
}
"""Share of the core that is label 1: necrosis, or tumour that does not enhance."""


class TumourLabel(IntEnum):
    """Values of the label map (task `brain_tumour`)."""

    NCR = 1
    ED = 2
    ET = 3


class Depth(IntEnum):
    """What the lattice of a tumour holds: how far inside each region a node lies, in mm."""

    OEDEMA = 0
    """Of the whole tumour: in mm of white matter that its front has still crossed."""
    CORE = 1
    NECROSIS = 2
    TEXTURE = 3
    """Noise of mean 0 and variance 1."""


@dataclass(frozen=True, kw_only=True)
class TumourSize:
    """The drawn numbers of a tumour; volumes are those in the frame of the head."""

    log_whole_ml: float = between(np.log(28.0), np.log(145.0))
    """Natural logarithm of the volume of the whole tumour."""
    core: float = between(0.0, 1.0)
    """Place within the interval of `CORE_OF_WHOLE`."""
    necrosis: float = between(0.0, 1.0)
    """Place within the interval of `NECROSIS_OF_CORE`."""
    mass: float = between(0.25, 0.8)
    """Share of the core that has displaced the brain instead of replacing it."""
    edge_mm: float = between(1.5, 3.0)
    """How irregular the surface of the core is."""
    spread: float = between(0.3, 0.6)
    """How much the fronts' speed varies, as a standard deviation of its logarithm."""


@dataclass(frozen=True, kw_only=True)
class TumourPlan:
    """A tumour before it has grown.

    Attributes:
        kind: What it is.
        size: The drawn numbers.
    """

    kind: TumourKind
    size: TumourSize

    @property
    def whole_ml(self) -> float:
        """Volume of the whole tumour."""
        return float(np.exp(self.size.log_whole_ml))

    @property
    def core_ml(self) -> float:
        """Volume of what is not oedema."""
        return self.whole_ml * _within(CORE_OF_WHOLE[self.kind], self.size.core)

    @property
    def necrosis_ml(self) -> float:
        """Volume of label 1."""
        return self.core_ml * _within(NECROSIS_OF_CORE[self.kind], self.size.necrosis)


@dataclass(frozen=True, eq=False)
class TumourShares:
    """Shares at n points, (n,) each; oedema and core exclude each other, necrosis is in the core.

    Attributes:
        oedema: Where the oedema's front has been, whatever tissue it found.
        core: What has replaced the brain.
        necrosis: Part of the core that is label 1.
        depth_mm: As `Depth.OEDEMA`.
        texture: As `Depth.TEXTURE`.
    """

    oedema: NDArray[np.float32]
    core: NDArray[np.float32]
    necrosis: NDArray[np.float32]
    depth_mm: NDArray[np.float32]
    texture: NDArray[np.float32]

    def only(self, chosen: NDArray[np.bool_]) -> TumourShares:
        """Return the shares of some of the points."""
        return TumourShares(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Tumour:
    """A tumour that has grown.

    Attributes:
        plan: What was drawn.
        origin_head: Where it began, RAS mm in the frame of the head.
        regions: The fields of `Depth`, in the frame of the head.
    """

    plan: TumourPlan
    origin_head: tuple[float, float, float]
    regions: Lattice

    def is_near(self, points_head: Points) -> NDArray[np.bool_]:
        """Tell which points lie in the box in which the tumour grew."""
        frame = self.regions.frame
        low = np.array(frame.origin_ras, dtype=np.float32)[:, np.newaxis]
        high = low + (np.array(frame.shape)[:, np.newaxis] - 1) * np.float32(frame.spacing_mm)
        return np.asarray(((points_head > low) & (points_head < high)).all(axis=0))

    def shares_at(self, points_head: Points, edge_width_mm: float) -> TumourShares:
        """Return the regions' shares, which rise linearly over `edge_width_mm` across surfaces."""
        values = self.regions.at(points_head)
        width = np.float32(edge_width_mm)
        surfaces = (Depth.OEDEMA, Depth.CORE, Depth.NECROSIS)
        whole, core, necrosis = (np.clip(0.5 + values[:, d] / width, 0, 1) for d in surfaces)
        return TumourShares(
            oedema=np.maximum(whole - core, 0),
            core=core,
            necrosis=np.minimum(necrosis, core),
            depth_mm=values[:, Depth.OEDEMA],
            texture=values[:, Depth.TEXTURE],
        )

    def facts(self) -> dict[str, Any]:
        """Return what was drawn, fit for JSON."""
        return {
            "kind": self.plan.kind,
            "origin_head_mm": list(self.origin_head),
            "whole_ml": self.plan.whole_ml,
            "core_ml": self.plan.core_ml,
            "necrosis_ml": self.plan.necrosis_ml,
            **asdict(self.plan.size),
        }


def draw_plan(rng: np.random.Generator) -> TumourPlan:
    """Draw what a tumour is to be."""
    kinds = list(KIND_SHARES)
    kind = kinds[int(rng.choice(len(kinds), p=list(KIND_SHARES.values())))]
    return TumourPlan(kind=kind, size=draw(TumourSize, rng))


def _within(interval: tuple[float, float], place: float) -> float:
    low, high = interval
    return low + (high - low) * place
