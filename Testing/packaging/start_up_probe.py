"""Import modules as a freshly installed Slicer does, and report as JSON what came of it.

Runs in a process of its own. Slicer's own modules are stand-ins; of third-party packages only those
that come with Slicer can be found, the others are as if they were not installed.

    python -I Testing/packaging/start_up_probe.py FOLDER MODULE [MODULE...]
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from types import ModuleType

STAND_INS = {"ctk", "qt", "slicer"}
SHIPPED_WITH_SLICER = {"SimpleITK", "numpy", "scipy", "vtk", "vtkmodules"}
OURS = {"CrossModalSeg", "CrossModalSegLib"}
LOADED_BEFORE = ("numpy", "vtk")
"""Slicer has them in memory before it opens any module, so their time is not ours."""


class AnythingType(type):
    """A class whose every attribute is another such class."""

    def __getattr__(cls, name: str) -> AnythingType:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnythingType(name, (), {"__init__": _accept})


def _accept(self: object, *arguments: object, **named: object) -> None:
    del self, arguments, named


class StandIn(ModuleType):
    """A module of the application, with everything in it."""

    def __getattr__(self, name: str) -> AnythingType:
        if name.startswith("__"):
            raise AttributeError(name)
        return AnythingType(name, (), {"__init__": _accept})


class FreshSlicer(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins for Slicer's modules and hides what does not come with Slicer."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Answer for stand-ins and for hidden packages; leave the rest to the usual finders."""
        del path, target
        root = fullname.partition(".")[0]
        if root in STAND_INS:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        # The last belongs to Python, under a name that differs from machine to machine.
        is_python = root in sys.stdlib_module_names or root.startswith("_sysconfigdata")
        if is_python or root in OURS | SHIPPED_WITH_SLICER:
            return None
        raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Make the stand-in."""
        module = StandIn(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is."""


def import_all(modules: Sequence[str]) -> dict[str, str]:
    """Import modules in turn; return the errors of those that cannot be."""
    failures = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  whatever it is, the report names it
            failures[name] = f"{type(error).__name__}: {error}"
    return failures


def package_data() -> dict[str, list[str]]:
    """Return what the library finds of its own data, by folder."""
    package = Path(str(resources.files("CrossModalSegLib")))
    return {
        name: sorted(
            path.relative_to(package).as_posix()
            for path in (package / name).rglob("*")
            if path.is_file()
        )
        for name in ("presets", "pretrained")
    }


def main(folder: str, modules: Sequence[str]) -> None:
    """Import the modules out of a folder and write the report."""
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    before = set(sys.modules)
    sys.path.insert(0, folder)
    sys.meta_path.insert(0, FreshSlicer())
    start = time.process_time()
    failures = import_all(modules)
    seconds = time.process_time() - start
    report = {
        "failures": failures,
        "cpu_seconds": seconds,
        "imported": sorted(set(sys.modules) - before),
        "library": str(importlib.import_module("CrossModalSegLib").__file__),
        "package_data": package_data(),
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
