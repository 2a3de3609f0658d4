"""Segmentation tasks: classes, evaluation regions, colours and standard terminology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.core.config import from_dict, read_json, read_toml, to_dict
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

Slicing = Literal["axial", "coronal", "sagittal"]


@dataclass(frozen=True, kw_only=True)
class CodedConcept:
    """A code of a coding scheme, e.g. SNOMED CT ("SCT")."""

    scheme: str
    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Terminology:
    """What a structure is, as DICOM segmentation objects say it."""

    category: CodedConcept
    type: CodedConcept
    modifier: CodedConcept | None = None
    region: CodedConcept | None = None
    """Anatomic region in which the structure lies."""


@dataclass(frozen=True, kw_only=True)
class StructureClass:
    """One value of a label map."""

    value: int
    name: str
    """Short name of the literature, e.g. "MYO"."""
    label: str
    """Full name for people."""
    colour: Colour
    terminology: Terminology | None = None


@dataclass(frozen=True, kw_only=True)
class Region:
    """A union of classes that is scored and shown as one structure."""

    name: str
    label: str
    values: tuple[int, ...]
    colour: Colour
    terminology: Terminology | None = None


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be segmented.

    Attributes:
        name: Identifier (CONTRACTS: Identifiers).
        label: Name for people.
        classes: Values of the label map, background left out, numbered 1, 2, ... without gaps.
        regions: What is scored and shown; may overlap.
        slicing: The plane in which two-dimensional networks see the volume.
        nested: Whether each region contains the next one.
    """

    name: str
    label: str
    classes: tuple[StructureClass, ...]
    regions: tuple[Region, ...]
    slicing: Slicing
    nested: bool = False

    def __post_init__(self) -> None:
        """Refuse tasks whose numbers do not fit together.

        Raises:
            ConfigError: Class values are not 1 to n, or a region names an unknown class.
        """
        values = [entry.value for entry in self.classes]
        if values != list(range(1, len(values) + 1)):
            raise ConfigError(
                f"Task {self.name!r} has class values {values}, expected 1, 2, ... without gaps."
            )
        for region in self.regions:
            unknown = sorted(set(region.values) - set(values))
            if unknown or not region.values:
                raise ConfigError(
                    f"Region {region.name!r} of task {self.name!r} has class values "
                    f"{list(region.values)}, expected some of {values}."
                )

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.classes) + 1

    @property
    def known_values(self) -> tuple[int, ...]:
        """Every value that a label map of this task may hold."""
        return tuple(range(self.num_classes))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Short names of the classes, background left out."""
        return tuple(entry.name for entry in self.classes)

    def region(self, name: str) -> Region:
        """Return the region of that name.

        Raises:
            UnknownNameError: The task has no such region.
        """
        for region in self.regions:
            if region.name == name:
                return region
        raise UnknownNameError(
            f"region of task {self.name!r}", name, (region.name for region in self.regions)
        )


def _sct(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(scheme="SCT", value=value, meaning=meaning)


_ANATOMY = _sct("123037004", "Anatomical Structure")
_MORPHOLOGY = _sct("49755003", "Morphologically Altered Structure")
_BRAIN = _sct("12738006", "Brain")


def _anatomy(value: str, meaning: str, modifier: CodedConcept | None = None) -> Terminology:
    return Terminology(category=_ANATOMY, type=_sct(value, meaning), modifier=modifier)


def _lesion(value: str, meaning: str) -> Terminology:
    return Terminology(category=_MORPHOLOGY, type=_sct(value, meaning), region=_BRAIN)


def _structure(
    value: int, name: str, label: str, colour: Colour, terminology: Terminology
) -> StructureClass:
    return StructureClass(
        value=value, name=name, label=label, colour=colour, terminology=terminology
    )


def _region_per_class(classes: tuple[StructureClass, ...]) -> tuple[Region, ...]:
    return tuple(
        Region(
            name=entry.name,
            label=entry.label,
            values=(entry.value,),
            colour=entry.colour,
            terminology=entry.terminology,
        )
        for entry in classes
    )


_RIGHT, _LEFT = _sct("24028007", "Right"), _sct("7771000", "Left")
_NEOPLASM = _lesion("86049000", "Neoplasm, Primary")
_WHOLE_TUMOUR = Region(
    name="WT", label="Whole tumour", values=(1, 2, 3), colour=(80, 174, 128), terminology=_NEOPLASM
)

_CARDIAC = (
    _structure(1, "MYO", "Myocardium", (192, 104, 88), _anatomy("74281007", "Myocardium")),
    _structure(2, "LAC", "Left atrium", (216, 160, 90), _anatomy("82471001", "Left atrium")),
    _structure(3, "LVC", "Left ventricle", (90, 140, 220), _anatomy("87878005", "Left ventricle")),
    _structure(4, "AA", "Ascending aorta", (224, 97, 160), _anatomy("54247002", "Ascending aorta")),
)
_ABDOMEN = (
    _structure(1, "liver", "Liver", (221, 130, 101), _anatomy("10200004", "Liver")),
    _structure(
        2, "right_kidney", "Right kidney", (185, 102, 83), _anatomy("64033007", "Kidney", _RIGHT)
    ),
    _structure(
        3, "left_kidney", "Left kidney", (120, 170, 210), _anatomy("64033007", "Kidney", _LEFT)
    ),
    _structure(4, "spleen", "Spleen", (157, 108, 162), _anatomy("78961009", "Spleen")),
)
_BRAIN_TUMOUR = (
    _structure(
        1, "NCR", "Necrotic and non-enhancing core", (216, 101, 79), _lesion("6574001", "Necrosis")
    ),
    _structure(2, "ED", "Peritumoural oedema", (140, 224, 228), _lesion("79654002", "Edema")),
    _structure(3, "ET", "Enhancing tumour", (240, 210, 80), _NEOPLASM),
)
_TUMOUR = (_structure(1, "WT", "Whole tumour", (80, 174, 128), _NEOPLASM),)

TASKS: dict[str, Task] = {
    "brain_tumour": Task(
        name="brain_tumour",
        label="Brain tumour",
        classes=_BRAIN_TUMOUR,
        regions=(
            _WHOLE_TUMOUR,
            Region(
                name="TC",
                label="Tumour core",
                values=(1, 3),
                colour=(216, 101, 79),
                terminology=_NEOPLASM,
            ),
            Region(
                name="ET",
                label="Enhancing tumour",
                values=(3,),
                colour=(240, 210, 80),
                terminology=_NEOPLASM,
            ),
        ),
        slicing="axial",
        nested=True,
    ),
    "whole_tumour": Task(
        name="whole_tumour",
        label="Whole tumour",
        classes=_TUMOUR,
        regions=_region_per_class(_TUMOUR),
        slicing="axial",
    ),
    "cardiac": Task(
        name="cardiac",
        label="Cardiac substructures",
        classes=_CARDIAC,
        regions=_region_per_class(_CARDIAC),
        slicing="coronal",  # as SIFA and its successors
    ),
    "abdomen": Task(
        name="abdomen",
        label="Abdominal organs",
        classes=_ABDOMEN,
        regions=_region_per_class(_ABDOMEN),
        slicing="axial",
    ),
}


def load_task(name_or_file: str) -> Task:
    """Return a built-in task by name, or a custom one from a TOML file, or from programs' JSON.

    Raises:
        UnknownNameError: No such task, and no such file.
        ConfigError: The file does not describe a task.
    """
    if name_or_file in TASKS:
        return TASKS[name_or_file]
    if name_or_file.endswith(".toml"):
        path = Path(name_or_file)
        return task_from_dict(read_toml(path), str(path))
    if name_or_file.endswith(".json"):
        return task_from_dict(read_json(Path(name_or_file)), name_or_file)
    raise UnknownNameError("task", name_or_file, [*TASKS, "FILE.toml"])


def task_to_dict(task: Task) -> dict[str, Any]:
    """Return a task as plain JSON values."""
    content: dict[str, Any] = to_dict(task)
    return content


def task_from_dict(mapping: Mapping[str, Any], where: str) -> Task:
    """Read a task from plain values; strict about keys and types.

    Raises:
        ConfigError: A key is unknown or missing, or a value has the wrong type.
    """
    return from_dict(Task, mapping, where)
