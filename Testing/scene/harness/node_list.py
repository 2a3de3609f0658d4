"""What the placeholders for boxes of nodes have in common."""

# Named as Slicer and Qt name things.
# ruff: noqa: N802, N815, FBT001

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.scene.harness.observers import Observers


class NodeList(QtWidgets.QWidget):
    """What node boxes have in common: which nodes of the scene they offer.

    As in Slicer: while the scene is being closed or read, nothing is updated; afterwards all is.
    """

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._types: list[str] = []
        self._shows_hidden = False
        self._attributes: list[tuple[str, str, Any]] = []
        self._observers = Observers()
        self._node_observers = Observers()
        self.destroyed.connect(self._observers.remove_all)
        self.destroyed.connect(self._node_observers.remove_all)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._box = QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(
            QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        row.addWidget(self._box)
        self._box.setEnabled(False)

    def mrmlScene(self) -> Any:
        """Return the scene."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Offer the nodes of another scene; without a scene nothing can be chosen."""
        if scene is self._scene:
            return
        self._observers.remove_all()
        self._node_observers.remove_all()
        self._scene = scene
        self._box.setEnabled(scene is not None)
        if scene is not None:
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
                self._observers.add(scene, event, self._update_unless_busy)
            for event in (scene.EndBatchProcessEvent, scene.EndCloseEvent, scene.EndImportEvent):
                self._observers.add(scene, event, self._update_unless_busy)
        self._update()

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        """Offer only nodes of that type that have an attribute."""
        self._attributes.append((node_type, name, value))
        self._update()

    def nodeCount(self) -> int:
        """Return how many nodes are offered."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """Return one of the offered nodes, or None."""
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = []
        for index in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(index)
            is_shown = self._shows_hidden or not node.GetHideFromEditors()
            if is_shown and any(node.IsA(name) for name in self._types) and self._fits(node):
                nodes.append(node)
        return nodes

    def _fits(self, node: Any) -> bool:
        return all(
            node.GetAttribute(name) is not None
            and (value is None or node.GetAttribute(name) == str(value))
            for kind, name, value in self._attributes
            if node.IsA(kind)
        )

    def _update_unless_busy(self) -> None:
        if self._scene is not None and not self._scene.IsBatchProcessing():
            self._update()

    def _update(self) -> None:
        raise NotImplementedError

    def _watch_names(self, nodes: list[Any]) -> None:
        self._node_observers.remove_all()
        for node in nodes:
            self._node_observers.add(node, "ModifiedEvent", self._rename)

    def _rename(self) -> None:
        raise NotImplementedError

    def _get_types(self) -> list[str]:
        return self._types

    def setNodeTypes(self, types: list[str]) -> None:
        """Offer nodes of these classes and of what derives from them."""
        self._types = list(types)
        self._update()

    def _get_shows_hidden(self) -> bool:
        return self._shows_hidden

    def setShowHidden(self, shows: bool) -> None:
        """Offer also nodes that are hidden from editors."""
        self._shows_hidden = shows
        self._update()

    nodeTypes = QtCore.Property("QStringList", _get_types, setNodeTypes)  # type: ignore[arg-type]
    showHidden = QtCore.Property(bool, _get_shows_hidden, setShowHidden)
    showChildNodeTypes = QtCore.Property(bool, lambda _: True, lambda _, __: None)
    hideChildNodeTypes = QtCore.Property("QStringList", lambda _: [], lambda _, __: None)  # type: ignore[arg-type]
