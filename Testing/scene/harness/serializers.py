"""How `slicer.parameterNodeWrapper` writes values of Python into a parameter node.

After the developer guide ("Supported types", "Validators"): plain types become text, nodes become
references, enum values are kept by name, lists by number.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import slicer

PLAIN = (int, float, str, bool)


@dataclass(frozen=True)
class Default:
    """Annotation: what a parameter is at first."""

    value: Any


class Validator:
    """Annotation: what a parameter may be."""

    def validate(self, value: Any) -> None:
        """Raise ValueError if the value must not be."""
        raise NotImplementedError


@dataclass(frozen=True)
class WithinRange(Validator):
    """A number from minimum to maximum."""

    minimum: float
    maximum: float

    def validate(self, value: Any) -> None:
        """Raise ValueError if the value lies outside."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value {value} is not within {self.minimum} to {self.maximum}.")


@dataclass(frozen=True)
class Minimum(Validator):
    """A number from minimum on."""

    minimum: float

    def validate(self, value: Any) -> None:
        """Raise ValueError if the value is lower."""
        if value < self.minimum:
            raise ValueError(f"Value {value} is below {self.minimum}.")


@dataclass(frozen=True)
class Maximum(Validator):
    """A number up to maximum."""

    maximum: float

    def validate(self, value: Any) -> None:
        """Raise ValueError if the value is higher."""
        if value > self.maximum:
            raise ValueError(f"Value {value} is above {self.maximum}.")


@dataclass(frozen=True)
class Choice(Validator):
    """One of several values."""

    choices: Sequence[Any]

    def validate(self, value: Any) -> None:
        """Raise ValueError if the value is none of them."""
        if value not in self.choices:
            raise ValueError(f"Value {value!r} is none of {list(self.choices)}.")


class Parameter:
    """One parameter: its type, its default, how it is kept.

    Args:
        name: In the parameter node.
        annotation: Its type, possibly `Annotated`.
        default: What the class says after `=`, in a tuple of one; None: nothing.

    Raises:
        TypeError: There is no way to keep such a type.
    """

    def __init__(self, name: str, annotation: Any, default: tuple[Any] | None) -> None:
        self.name = name
        self.annotation = annotation
        self.type, self.notes = split_annotation(annotation)
        self._codec = _codec(self.type)
        said = [note.value for note in self.notes if isinstance(note, Default)]
        self.default = default[0] if default else said[0] if said else self._codec.default()

    def is_in(self, node: Any) -> bool:
        """Tell whether the node has a value."""
        return bool(node.HasParameter(self.name))

    def write(self, node: Any, value: Any) -> None:
        """Keep a value.

        Raises:
            TypeError: It is of another type.
            ValueError: A validator refuses it.
        """
        self._codec.check(value)
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)
        self._codec.write(node, self.name, value)

    def read(self, node: Any) -> Any:
        """Return the value; a node that has none, as after closing the scene, gets the default."""
        if not self.is_in(node):
            self.write(node, self.default)
        return self._codec.read(node, self.name)


def split_annotation(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without `Annotated`, and what was annotated."""
    if typing.get_origin(annotation) is typing.Annotated:
        return annotation.__origin__, annotation.__metadata__
    return annotation, ()


def node_types(kind: Any) -> list[type]:
    """Return the classes of nodes that a type stands for; none if it is no such type."""
    members = typing.get_args(kind) if _is_union(kind) else (kind,)
    kinds = [each for each in members if each is not type(None)]
    are_classes = all(isinstance(each, type) for each in kinds)
    are_nodes = are_classes and all(issubclass(each, slicer.vtkMRMLNode) for each in kinds)
    return kinds if are_nodes else []


class _Codec:
    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def default(self) -> Any:
        return self.kind()

    def check(self, value: Any) -> None:
        if not isinstance(value, self.kind):
            raise TypeError(f"Expected {self.kind.__name__}, got {type(value).__name__}: {value!r}")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(value))

    def read(self, node: Any, name: str) -> Any:
        return self.kind(node.GetParameter(name))


class _NumberCodec(_Codec):
    def check(self, value: Any) -> None:
        if not isinstance(value, (int, float) if self.kind is float else int):
            super().check(value)


class _BoolCodec(_Codec):
    def read(self, node: Any, name: str) -> bool:
        return bool(node.GetParameter(name) == "True")


class _EnumCodec(_Codec):
    def default(self) -> Any:
        return next(iter(self.kind))

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name)

    def read(self, node: Any, name: str) -> Any:
        return self.kind[node.GetParameter(name)]


class _NodeCodec(_Codec):
    """A reference, and an empty text that says that there is one."""

    def default(self) -> None:
        return None

    def check(self, value: Any) -> None:
        if value is not None and not isinstance(value, tuple(node_types(self.kind))):
            raise TypeError(f"Expected {self.kind}, got {value.GetClassName()}.")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)


class _ListCodec(_Codec):
    """A length, and its entries under the name with a number."""

    def __init__(self, kind: Any) -> None:
        super().__init__(list)
        self._entry = _codec(split_annotation(typing.get_args(kind)[0])[0])

    def check(self, value: Any) -> None:
        super().check(value)
        for entry in value:
            self._entry.check(entry)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(len(value)))
        for index, entry in enumerate(value):
            self._entry.write(node, f"{name}_{index}", entry)

    def read(self, node: Any, name: str) -> Any:
        length = int(node.GetParameter(name))
        # A tuple: Slicer's list writes what is changed in it, which nothing here relies on.
        return tuple(self._entry.read(node, f"{name}_{index}") for index in range(length))


def _is_union(kind: Any) -> bool:
    return typing.get_origin(kind) in {typing.Union, types.UnionType}


def _codec(kind: Any) -> _Codec:
    if kind is bool:
        return _BoolCodec(bool)
    if kind in {int, float}:
        return _NumberCodec(kind)
    if kind is str or (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        return _Codec(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _EnumCodec(kind)
    if typing.get_origin(kind) is list:
        return _ListCodec(kind)
    if node_types(kind):
        return _NodeCodec(kind)
    raise TypeError(f"Unable to create serializer for {kind}")
