"""Finds what runs under PySide6, in our tests, and not under PythonQt, in Slicer.

Qt properties are attributes there, enum values lie in their classes, dialogs return one value, and
C++ objects take no new attributes. Types are not known here, so names of variables decide where
Qt's values (items, sizes, pictures) have methods of the same names as properties.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_READ = """
    alignment checkable checked collapsed columnCount count currentIndex currentNodeID currentPath
    currentText decimals enabled height iconSize interval maximum minimum nodeTypes noneEnabled
    objectName orientation placeholderText plainText pos prefix readOnly rowCount singleStep size
    styleSheet suffix text title toolTip value visible width windowTitle
"""
_WRITTEN = """
    addEnabled alternatingRowColors autoRaise baseName collapsedHeight editEnabled filters flat font
    geometry html icon maximumHeight maximumWidth minimumHeight minimumWidth name nameFilters
    noneDisplay openExternalLinks removeEnabled renameEnabled showHidden singleShot sizePolicy
    textVisible tracking wordWrap
"""

READ_AS_ATTRIBUTES = frozenset(_READ.split())
"""Properties, most of which are methods of the same name in PySide6."""

WRITTEN_AS_ATTRIBUTES = READ_AS_ATTRIBUTES | frozenset(_WRITTEN.split())
"""Properties that code may assign; extend the list when a page needs another one."""

VALUES = re.compile(
    r"item|clipboard|size|rect|pixmap|image|index|icon|metrics|url|cursor|event|point|match|"
    r"settings|regex|action",
    re.IGNORECASE,
)
"""Names of variables and functions that hold values, whose getters are methods everywhere."""

COUNTED = re.compile(r"layout|row$|column$|stack", re.IGNORECASE)
"""Names of layouts, whose `count()` is a method everywhere."""

QT_MODULES = frozenset({"qt", "ctk"})
OTHER_BINDINGS = frozenset({"PySide2", "PySide6", "PyQt5", "PyQt6", "PythonQt", "__feature__"})
ONLY_PYSIDE = frozenset({"Signal", "Slot", "Property"})
RETURN_ONE = frozenset({"getOpenFileName", "getSaveFileName", "getText", "getItem", "getInt"})


class Finding(NamedTuple):
    """Something that PythonQt cannot do.

    Attributes:
        line: Where.
        rule: What, in one word.
        text: What to do.
    """

    line: int
    rule: str
    text: str


def findings_in_file(path: Path) -> list[Finding]:
    """Return what is wrong in a file."""
    return findings(path.read_text(encoding="utf-8"))


def findings(source: str) -> list[Finding]:
    """Return what is wrong in a piece of Python."""
    visitor = _Visitor()
    visitor.visit(ast.parse(source))
    return sorted(visitor.found)


class _Visitor(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[Finding] = []
        self._widgets: set[str] = set()

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name.partition(".")[0] in OTHER_BINDINGS:
                self._add(node, "binding", f"{alias.name} is not in Slicer; import qt.")
        self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        root = (node.module or "").partition(".")[0]
        if root in OTHER_BINDINGS | QT_MODULES:
            self._add(node, "binding", "Write `import qt`, and qt.QLabel and so on.")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "true_property":
            self._add(node, "binding", "true_property is PySide6's alone.")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        are_qt = [_is_qt_class(base) for base in node.bases]
        if any(are_qt) and len(are_qt) > 1:
            self._add(node, "inheritance", "A class of Qt must be the only base.")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names = _chain(node)
        if len(names) == 4 and names[0] == "qt" and all(each[0].isupper() for each in names[1:]):
            unscoped = ".".join([*names[:2], names[3]])
            self._add(node, "enum", f"Enums have no names: {unscoped}.")
        if len(names) == 2 and names[0] == "qt" and names[1] in ONLY_PYSIDE:
            self._add(node, "binding", f"PythonQt has no {names[1]}.")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if _makes_widget(node.value):
            self._widgets |= {ast.unparse(target) for target in node.targets}
        for target in node.targets:
            self._check_target(target)
            if isinstance(target, ast.Tuple) and _returns_one(node.value):
                self._add(node, "tuple", "Under PythonQt this returns one value, not two.")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _returns_one(node.value):
            self._add(node, "tuple", "Under PythonQt this returns one value, not two.")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for text in (*_wrong_method(node), *_wrong_connection(node), *_wrong_timer(node)):
            self._add(node, *text)
        if node.keywords and _chain(node.func)[:1] in ([each] for each in QT_MODULES):
            self._add(node, "keyword", "Arguments of C++ functions have no names.")
        self.generic_visit(node)

    def _check_target(self, target: ast.expr) -> None:
        if not isinstance(target, ast.Attribute) or target.attr in WRITTEN_AS_ATTRIBUTES:
            return
        owner = ast.unparse(target.value)
        if owner in self._widgets or re.search(r"(^|\.)_?ui\.\w+$", owner):
            self._add(
                target, "attribute", f"{target.attr} is no known property; keep it in your object."
            )

    def _add(self, node: ast.expr | ast.stmt, rule: str, text: str) -> None:
        self.found.append(Finding(node.lineno, rule, text))


def _wrong_method(node: ast.Call) -> Iterator[tuple[str, str]]:
    if not isinstance(node.func, ast.Attribute):
        return
    name, owner = node.func.attr, _last_name(node.func.value)
    if name == "exec":
        yield "exec", "Write exec_()."
    is_value = VALUES.search(owner) or (name == "count" and COUNTED.search(owner))
    is_getter = name in READ_AS_ATTRIBUTES and not node.args and not node.keywords
    if is_getter and not is_value:
        yield "property", f"{name} is a property: read it without ()."


def _wrong_connection(node: ast.Call) -> Iterator[tuple[str, str]]:
    is_connection = isinstance(node.func, ast.Attribute) and node.func.attr in {
        "connect",
        "disconnect",
    }
    if not is_connection or len(node.args) < 2 or not isinstance(node.args[0], ast.Constant):
        return
    if not re.fullmatch(r"\w+\(.*\)", str(node.args[0].value)):
        yield "signature", "A signal by text needs its signature, as clicked()."


def _wrong_timer(node: ast.Call) -> Iterator[tuple[str, str]]:
    if _chain(node.func)[-2:] != ["QTimer", "singleShot"]:
        return
    if len(node.args) != 2 or node.keywords:
        yield "timer", "Write qt.QTimer.singleShot(milliseconds, callable)."
    elif isinstance(node.args[1], ast.Call | ast.Constant) and not _makes_callable(node.args[1]):
        yield "timer", "The second argument is called later: give the function, not its result."


def _makes_callable(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) == "partial"


def _chain(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`; none if it is anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        inner = _chain(node.value)
        return [*inner, node.attr] if inner else []
    return []


def _last_name(node: ast.expr) -> str:
    """Return the name that is nearest to what is asked: `item` of `table.item(1, 2)`."""
    if isinstance(node, ast.Call | ast.Subscript):
        return _last_name(node.func if isinstance(node, ast.Call) else node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_qt_class(node: ast.expr) -> bool:
    names = _chain(node)
    is_slicers = len(names) == 2 and names[0] == "slicer" and re.match(r"q[A-Z]", names[1])
    return bool(names and (names[0] in QT_MODULES or is_slicers))


def _makes_widget(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _is_qt_class(node.func)


def _returns_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _last_name(node.func) in RETURN_ONE
