"""What the names and codes of drawn structures mean in a task, and voxels in several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.core.errors import LabelError, UnknownNameError
from CrossModalSegLib.core.tasks import CodedConcept, Region, StructureClass, Task, Terminology

Values = frozenset[int]
"""Classes that a structure unites; none for one that is left out on purpose."""

Indices = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Of voxels: k, j, i."""

MAX_STRUCTURES = 64
"""Structures that one voxel may be told to lie in: bits of the widest whole number."""

_SYNONYMS: dict[str, dict[str, tuple[int, ...]]] = {
    "brain_tumour": {
        "edema": (2,),
        "oedema": (2,),
        "peritumoral edema": (2,),
        "non enhancing tumor": (1,),
        "necrosis": (1,),
        "necrotic": (1,),
        "necrotic tumor core": (1,),
        "enhancing tumor": (3,),
        "tumor core": (1, 3),
        "whole tumor": (1, 2, 3),
    },
    "whole_tumour": {"whole tumor": (1,)},
    "cardiac": {"left atrium blood cavity": (2,), "left ventricle blood cavity": (3,)},
}
"""Other names under which public datasets and the other spelling of English know our structures."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A structure that somebody drew.

    Attributes:
        number: By which its file tells it from the others.
        name: What people called it.
        type: Code of what it is, if the file says so.
        modifier: Code of the side, say.
    """

    number: int
    name: str
    type: CodedConcept | None = None
    modifier: CodedConcept | None = None


class StructureNames:
    """What names and codes mean in a task.

    Names are compared without regard to capitals, spaces, hyphens and underscores. A structure that
    neither its name nor its code tells for certain is not known: nothing is guessed.

    Args:
        task: Its classes and regions, by short name, full name and code.
        given: Names of structures and the class or region that is meant, or "" for none; they come
            first.

    Raises:
        UnknownNameError: One of `given` leads to a structure that the task does not have.
    """

    def __init__(self, task: Task, given: Mapping[str, str] | None = None) -> None:
        self.task = task
        known: list[tuple[StructureClass | Region, Values]]
        known = [(entry, frozenset({entry.value})) for entry in task.classes]
        known += [(region, frozenset(region.values)) for region in task.regions]
        self._codes = [(entry.terminology, values) for entry, values in known if entry.terminology]
        structures = {name: values for e, values in known for name in (e.name, e.label)}
        self.expected = tuple(structures)
        own = {plain_name(name): values for name, values in structures.items()}
        synonyms = _SYNONYMS.get(task.name, {})
        self._by_name = {**{name: frozenset(v) for name, v in synonyms.items()}, **own}
        self._given: dict[str, Values] = {}
        for name, meant in (given or {}).items():
            if meant and plain_name(meant) not in own:
                raise UnknownNameError(f"structure of task {task.name!r}", meant, structures)
            self._given[plain_name(name)] = own[plain_name(meant)] if meant else frozenset()

    def of_name(self, *names: str) -> Values | None:
        """Return the classes that a structure unites; None if it is not known.

        Args:
            names: Under which it goes, the first one first; what was given comes before all.
        """
        plain = [plain_name(name) for name in names]
        for known in (self._given, self._by_name):
            for name in plain:
                if name in known:
                    return known[name]
        return None

    def of(self, structure: Structure, where: Path) -> Values | None:
        """Return the classes that a structure unites, by its name or else its code.

        Raises:
            LabelError: Name and code contradict each other.
        """
        by_name, by_code = self.of_name(structure.name), self._of_code(structure)
        is_given = plain_name(structure.name) in self._given
        if not is_given and by_name and by_code and by_name != by_code:
            meaning = structure.type.meaning if structure.type else ""
            raise LabelError(
                f"{where} has a structure that is named {structure.name!r} and coded as "
                f"{meaning!r}, which are different structures of task {self.task.name!r}.",
                hint=f"Say which is meant, e.g. --label-names {structure.name + '=...'!r}.",
            )
        return by_code if by_name is None else by_name

    def _of_code(self, structure: Structure) -> Values | None:
        """Return the classes that bear its code; None if there are none, or several unions."""
        found = {values for terminology, values in self._codes if _is_coded(structure, terminology)}
        return found.pop() if len(found) == 1 else None


def plain_name(name: str) -> str:
    """Return a structure's name in small letters and single spaces, to compare names."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def describe_values(values: Values | None) -> str:
    """Return classes as text, like "1+3": "0" for none, "?" for what is not known."""
    return "?" if values is None else "+".join(map(str, sorted(values))) or "0"


class Membership:
    """In which structures each voxel lies.

    Structures that mean the same are one: two lesions are the tumour together.

    Args:
        shape_kji: Of the label map.
        parts: The classes that each structure unites.
    """

    def __init__(self, shape_kji: tuple[int, ...], parts: Sequence[Values]) -> None:
        self._unions = list(dict.fromkeys(parts))
        if len(self._unions) > MAX_STRUCTURES:
            raise LabelError(
                f"{len(self._unions)} structures were found, expected at most {MAX_STRUCTURES}."
            )
        self._bit_of = [self._unions.index(part) for part in parts]
        width = next(w for w in (8, 16, 32, 64) if w >= len(self._unions))
        self._names: list[list[str]] = [[] for _ in self._unions]
        self._bits = np.zeros(shape_kji, np.dtype(f"u{width // 8}"))

    def add(
        self, part: int, name: str, where: NDArray[np.bool_] | tuple[NDArray[np.intp], ...]
    ) -> None:
        """Add voxels to the structure `part`, under the name that its file gives it."""
        bit = self._bit_of[part]
        self._bits[where] |= self._bits.dtype.type(1 << bit)
        if name not in self._names[bit]:
            self._names[bit].append(name)

    def labels(self, path: Path) -> NDArray[np.uint8]:
        """Return the class of each voxel: the one in all structures that hold it and in no other.

        Raises:
            LabelError: There is none, or several.
        """
        labels = np.zeros(self._bits.shape, np.uint8)
        present = {int(value) for plane in self._bits for value in np.unique(plane)}
        for found in sorted(present - {0}):
            labels[self._bits == found] = self._only_class(found, path)
        return labels

    def _only_class(self, found: int, path: Path) -> int:
        holding = [bit for bit in range(len(self._unions)) if found >> bit & 1]
        others = [union for bit, union in enumerate(self._unions) if bit not in holding]
        held = [self._unions[bit] for bit in holding]
        possible = frozenset.intersection(*held).difference(*others)
        if len(possible) != 1:
            voxels = int((self._bits == found).sum())
            names = " and ".join(name for bit in holding for name in self._names[bit])
            raise LabelError(
                f"{path} has {voxels} voxels in {names} alone, which is no class of the task.",
                hint="Correct the segments: overlaps are for nested regions only.",
            )
        return next(iter(possible))


def _is_coded(structure: Structure, terminology: Terminology) -> bool:
    """Tell whether a structure has a code, side included."""
    if structure.type is None:
        return False
    own = structure.type, structure.modifier
    return all(
        (a is None) == (b is None) and (a is None or b is None or _same_code(a, b))
        for a, b in zip(own, (terminology.type, terminology.modifier), strict=True)
    )


def _same_code(first: CodedConcept, second: CodedConcept) -> bool:
    """Compare codes; those of SNOMED RT, of older files, with the SNOMED CT codes they became."""
    from pydicom.sr.coding import Code

    def coded(concept: CodedConcept) -> Code:
        return Code(concept.value, concept.scheme, concept.meaning)

    return bool(coded(first) == coded(second))
