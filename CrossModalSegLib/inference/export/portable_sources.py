"""The library's own sources of preprocessing, made to stand alone beside an exported model.

What another program runs must cut, scale and restore slices exactly as this one does. So it gets
the same sources, with all that they import, under another package name: nothing is written twice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib import resources
from importlib.resources.abc import Traversable

PACKAGE = "CrossModalSegLib"

PORTABLE_PACKAGE = "scripts"
"""The folder in which MONAI's specification puts code of a bundle."""

GLUE_MODULE = "inference/export/monai_pipeline.py"
"""Between MONAI's transforms and ours; becomes `scripts/pipeline.py`."""


def portable_sources() -> dict[str, bytes]:
    """Return the files of the folder `scripts` by name.

    Packages get empty `__init__.py` files, so that only what is needed comes along.
    """
    glue = _read(GLUE_MODULE)
    pending = _imported(glue)
    texts: dict[str, str] = {}
    while pending:
        name = pending.pop()
        if name not in texts:
            texts[name] = _read(name)
            pending += _imported(texts[name])
    texts["pipeline.py"] = glue
    files = {name: _renamed(text) for name, text in texts.items()}
    for name in texts:
        folders = name.split("/")[:-1]
        for depth in range(len(folders) + 1):
            files["/".join([*folders[:depth], "__init__.py"])] = ""
    return {f"{PORTABLE_PACKAGE}/{name}": files[name].encode() for name in sorted(files)}


def external_imports(texts: Iterable[bytes]) -> set[str]:
    """Return the top-level packages that sources import, those under `scripts` left out."""
    found: set[str] = set()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - {PORTABLE_PACKAGE}


def _imported(text: str) -> list[str]:
    """Return the files of our modules that a source imports, at any depth of its code."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            names += _files_of(node.module or "", [alias.name for alias in node.names])
    return names


def _files_of(module: str, imported: list[str]) -> list[str]:
    path = module.partition(".")[2].replace(".", "/")
    if not _source(f"{path}/__init__.py").is_file():
        return [f"{path}.py"]
    submodules = [f"{path}/{name}.py" for name in imported]
    return [name for name in submodules if _source(name).is_file()]


def _renamed(text: str) -> str:
    return text.replace(f"from {PACKAGE}.", f"from {PORTABLE_PACKAGE}.")


def _source(name: str) -> Traversable:
    place: Traversable = resources.files(PACKAGE)
    for part in name.split("/"):
        place = place / part
    return place


def _read(name: str) -> str:
    return _source(name).read_text(encoding="utf-8")
