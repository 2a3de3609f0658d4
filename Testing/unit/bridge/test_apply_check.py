"""Why Apply cannot be pressed: the first reason first, and none when everything is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from CrossModalSegLib.bridge.apply_check import ApplyState, reason_not_to_apply
from CrossModalSegLib.bridge.model_catalogue import ModelCard
from CrossModalSegLib.core.modalities import MODALITIES, Modality


@dataclass(frozen=True)
class Image:
    """As VTK's, as far as it is asked."""

    points: int

    def GetNumberOfPoints(self) -> int:  # noqa: N802
        return self.points


@dataclass(frozen=True)
class Node:
    """As MRML's, as far as it is asked."""

    node_id: str
    points: int = 8

    def GetImageData(self) -> Image:  # noqa: N802
        return Image(self.points)

    def GetName(self) -> str:  # noqa: N802
        return f"node {self.node_id}"

    def GetID(self) -> str:  # noqa: N802
        return self.node_id


@dataclass(frozen=True)
class Card:
    """A model's card, as far as it is asked."""

    target_modality: Modality = MODALITIES["t2"]
    input_modalities: tuple[str, ...] = ("t2",)


@dataclass(frozen=True)
class Complete:
    """Arguments of a state in which Apply can be pressed."""

    is_ready: bool = True
    volumes: tuple[Any, ...] = (Node("a"), None, None)
    modality: str = "t2"
    model: Card | None = field(default_factory=Card)
    structures: tuple[str, ...] = ("WT",)

    def reason(self) -> str:
        return reason_not_to_apply(
            ApplyState(
                is_ready=self.is_ready,
                volumes=self.volumes,
                modality=self.modality,
                model=cast("ModelCard | None", self.model),
                structures=self.structures,
            )
        )


TWO_INPUTS = Card(input_modalities=("t2", "flair"))


def test_nothing_stands_in_the_way_when_all_is_chosen() -> None:
    assert not Complete().reason()
    assert not Complete(volumes=(Node("a"), Node("b")), model=TWO_INPUTS).reason()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"is_ready": False}, "Packages are missing"),
        ({"volumes": (None,)}, "Choose a volume"),
        ({"volumes": (Node("a", points=0),)}, "'node a' is empty"),
        ({"model": None}, "Choose a model"),
        ({"modality": ""}, "what kind of scan"),
        ({"modality": "ct"}, "for T2 MR scans"),
        ({"structures": ()}, "No structure"),
        ({"model": TWO_INPUTS}, "needs 2 volumes: t2, flair"),
        ({"model": TWO_INPUTS, "volumes": (Node("a"), Node("a"))}, "chosen twice"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], expected: str) -> None:
    assert expected in replace(Complete(), **change).reason()


def test_the_first_step_comes_first() -> None:
    nothing = Complete(is_ready=False, volumes=(None,), modality="", model=None, structures=())
    assert "Packages" in nothing.reason()
    assert "volume" in replace(nothing, is_ready=True).reason()
