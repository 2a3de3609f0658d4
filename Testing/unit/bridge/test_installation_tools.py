"""What packages are installed with."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from CrossModalSegLib.bridge.installation_tools import has_module, tools_of_slicer


def test_a_module_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cms_whole").mkdir()
    (tmp_path / "cms_whole" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    (tmp_path / "cms_empty").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert has_module("cms_whole")
    assert "cms_whole" not in sys.modules
    assert not has_module("cms_empty")  # what an uninstallation leaves
    assert not has_module("cms_nothing")


def test_outside_of_slicer_there_are_neither_its_packaging_nor_its_extensions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "slicer", raising=False)
    tools = tools_of_slicer()
    assert tools.packaging is None
    assert tools.torch_installer() is None
    assert "slicer" not in sys.modules


def test_inside_slicer_its_own_ways_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    slicer, packaging = ModuleType("slicer"), ModuleType("slicer.packaging")
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    logic = object()
    extension = SimpleNamespace(PyTorchUtilsLogic=lambda: logic)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    tools = tools_of_slicer()
    assert tools.packaging is packaging
    assert tools.torch_installer() is logic
