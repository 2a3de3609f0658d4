"""Names of methods in the corners of the application's views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import slicer

from CrossModalSegLib.bridge.comparison.comparison_layout import Column
from CrossModalSegLib.bridge.comparison.corner_names import CornerName


class _Named(NamedTuple):
    window: Any
    name: CornerName


class ViewNames:
    """Keeps a name in each view; views that are not there yet get theirs when they are."""

    def __init__(self) -> None:
        self._named: dict[str, _Named] = {}
        self._texts: dict[str, str] = {}

    def show(self, columns: Sequence[Column], labels: Sequence[str]) -> None:
        """Write each label into the views of its column; nothing happens if it stands there."""
        wanted = dict(_views(columns, labels))
        for key in [key for key in self._named if key not in wanted]:
            self._remove(key)
        for key, (view, label) in wanted.items():
            window = view.renderWindow()
            if key in self._named and self._named[key].window is not window:
                self._remove(key)
            if key not in self._named:
                self._named[key] = _Named(window, CornerName(window))
            if self._texts.get(key) != label:
                self._texts[key] = label
                self._named[key].name.set_text(label)
                view.scheduleRender()

    def clear(self) -> None:
        """Take all names out of the views."""
        for key in list(self._named):
            self._remove(key)

    def _remove(self, key: str) -> None:
        self._named.pop(key).name.remove()
        self._texts.pop(key, None)


def _views(
    columns: Sequence[Column], labels: Sequence[str]
) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Yield the application's views of the columns, by the identifiers of their nodes."""
    manager = slicer.app.layoutManager()
    surfaces = [manager.threeDWidget(index) for index in range(manager.threeDViewCount)]
    for column, label in zip(columns, labels, strict=True):
        widget = manager.sliceWidget(column.name)
        if widget is not None:
            yield str(column.slice_node.GetID()), (widget.sliceView(), label)
        for surface in surfaces:
            if column.view_node is not None and surface.mrmlViewNode() is column.view_node:
                yield str(column.view_node.GetID()), (surface.threeDView(), label)
