"""What can be set, as data: names, kinds, defaults and explanations of a settings dataclass.

The explanations are the fields' docstrings, read from the source, so that forms and tables say what
the code says. Nothing heavy is imported.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from CrossModalSegLib.core.config import to_dict

Kind = Literal["group", "switch", "integer", "number", "text", "choice", "list"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, or the head of a group of settings.

    Attributes:
        name: With the groups that it is in, as in an override: `method.backbone.width`.
        kind: "group" has no value; "list" is a fixed number of values of one kind.
        value: Of the instance that was described; plain, as JSON has it.
        help: What it is, in words.
        choices: Of a "choice".
        minimum: Least value that is accepted, if one is known.
        maximum: Largest value that is accepted, if one is known.
        is_optional: Whether it may be left without a value (null).
        length: Number of values of a "list"; None: any.
        entry: Kind of the values of a "list".
    """

    name: str
    kind: Kind
    value: Any = None
    help: str = ""
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    is_optional: bool = False
    length: int | None = None
    entry: Kind | None = None


def describe_settings(settings: Any, prefix: str = "") -> Iterator[Setting]:
    """Yield the settings that a dataclass instance holds, groups before their members.

    A dataclass may state limits in `ranges: ClassVar[Mapping[str, tuple[least, most]]]`, None
    where there is none.

    Args:
        settings: An instance; its values are the defaults that are told.
        prefix: Put before every name, like "method.".

    Raises:
        TypeError: A field is of a type for which there is no kind.
    """
    cls = type(settings)
    hints, help_texts, ranges = typing.get_type_hints(cls), field_help(cls), _ranges(cls)
    for field in dataclasses.fields(cls):
        value, name = getattr(settings, field.name), f"{prefix}{field.name}"
        text = help_texts.get(field.name, "")
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield Setting(name=name, kind="group", help=text)
            yield from describe_settings(value, f"{name}.")
            continue
        least, most = ranges.get(field.name, (None, None))
        yield Setting(
            name=name,
            value=to_dict(value),
            help=text,
            minimum=least,
            maximum=most,
            **_kind(hints[field.name], name),
        )


def field_help(cls: type) -> dict[str, str]:
    """Return the explanation of each field: the string below it, or in the class's Attributes.

    Fields of base classes are explained there; a subclass's own words win.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _attributes(inspect.cleandoc(base.__doc__ or ""))
            found |= _below_fields(base)
    return found


def _kind(hint: Any, name: str) -> dict[str, Any]:
    """Return what the type of a field says: kind, choices, length, and whether it may be null."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        members = [member for member in arguments if member is not type(None)]
        return {**_kind(members[0], name), "is_optional": len(members) < len(arguments)}
    if origin is Literal:
        return {"kind": "choice", "choices": arguments}
    if origin is tuple:
        length = None if arguments[-1] is Ellipsis else len(arguments)
        return {"kind": "list", "length": length, "entry": _kind(arguments[0], name)["kind"]}
    kinds: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number", str: "text"}
    if hint not in kinds:
        raise TypeError(f"{name} is of type {hint!r}, for which there is no kind of setting.")
    return {"kind": kinds[hint]}


def _ranges(cls: type) -> dict[str, tuple[float | None, float | None]]:
    found: dict[str, tuple[float | None, float | None]] = {}
    for base in reversed(cls.__mro__):
        own: Mapping[str, Any] = vars(base).get("ranges", {})
        found |= dict(own)
    return found


def _below_fields(cls: type) -> dict[str, str]:
    """Return the strings that stand below the fields in the class's source, if there is one."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    (definition,) = ast.parse(source).body
    if not isinstance(definition, ast.ClassDef):
        return {}
    found = {}
    for statement, below in zip(definition.body, definition.body[1:], strict=False):
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            continue
        text = _string(below)
        if text is not None:
            found[statement.target.id] = " ".join(text.split())
    return found


def _string(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return value if isinstance(value, str) else None
    return None


def _attributes(docstring: str) -> dict[str, str]:
    """Return the entries of a docstring's section "Attributes" (Google's style)."""
    found: dict[str, str] = {}
    _, _, section = docstring.partition("\nAttributes:\n")
    name = ""
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        is_entry = line.startswith("    ") and not line.startswith("     ")
        first, colon, rest = line.strip().partition(":")
        if is_entry and colon and first.isidentifier():
            name = first
            found[name] = rest.strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found
