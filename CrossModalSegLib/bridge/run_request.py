"""What a run is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from CrossModalSegLib.bridge.structure_volumes import StructureVolume
from CrossModalSegLib.core.errors import CrossModalSegError
from CrossModalSegLib.core.tasks import Task

State = Literal["done", "cancelled", "failed"]


@dataclass(frozen=True, kw_only=True)
class SegmentRequest:
    """What the user asks for.

    Attributes:
        model: Name in the library of models, or a path.
        model_title: Name for people.
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", or one of the predictor's.
        with_uncertainty: Whether to make an uncertainty map.
        with_quality: Whether to say how good the result probably is.
        flips: Axes of the patient along which slices are mirrored, too.
        structures: Names of those that are kept; none given: all.
        modality: What the user says the scan is; "" if not said.
        with_surfaces: Whether to make closed surfaces, for 3D views.
    """

    model: str
    model_title: str = ""
    device: str = "auto"
    precision: str = "auto"
    with_uncertainty: bool = False
    with_quality: bool = False
    flips: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    modality: str = ""
    with_surfaces: bool = True

    @property
    def title(self) -> str:
        """What names of results end with."""
        return self.model_title or Path(self.model).stem or self.model


class RunNotice(NamedTuple):
    """Something that the user should know about a result."""

    kind: str
    message: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunOutcome:
    """How a run ended.

    Attributes:
        state: "done", "cancelled" or "failed".
        segmentation_node: The result, None if there is none.
        uncertainty_node: The uncertainty map, None if there is none.
        volumes: Size of each structure.
        warnings: What the user should know.
        error: Why it failed.
        seconds: Since the start.
        summary: What the worker said: device, model, intended use...
    """

    state: State
    segmentation_node: Any = None
    uncertainty_node: Any = None
    volumes: tuple[StructureVolume, ...] = ()
    warnings: tuple[RunNotice, ...] = ()
    error: CrossModalSegError | None = None
    seconds: float = 0.0
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def predicted_dice(self) -> Mapping[str, float | None]:
        """How good the result probably is, by structure and as "mean"; empty if not asked."""
        return self.summary.get("predicted_dice") or {}


class RunInputs(NamedTuple):
    """What a run was started with.

    Attributes:
        nodes: Volume nodes; the first one's grid is the result's.
        request: Model and options.
        task: Of the model.
        output_node: Segmentation to update, None: a new one.
        ras_to_box: Of the region of interest, None: everywhere.
    """

    nodes: tuple[Any, ...]
    request: SegmentRequest
    task: Task
    output_node: Any
    ras_to_box: list[float] | None
