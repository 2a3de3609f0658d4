"""Placeholders for the boxes that choose nodes of a scene."""

# Named as Slicer, CTK and Qt name things.
# ruff: noqa: N801, N802, N815, FBT001

from __future__ import annotations

from typing import Any, ClassVar

from PySide6 import QtCore, QtWidgets

from Testing.scene.harness.node_list import NodeList


class qMRMLNodeComboBox(NodeList):
    """Chooses a node.

    As in Slicer: a node that is not offered cannot be chosen, then nothing is. When the chosen node
    is removed, the entry before it is chosen. Where there is neither "none" nor any action in the
    menu, the first node that comes chooses itself. What is chosen before there is a scene is chosen
    when the scene comes.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    SIGNALS: ClassVar = {
        "currentNodeChanged": ["currentNodeChanged(vtkMRMLNode*)"],
        "nodeActivated": ["nodeActivated(vtkMRMLNode*)"],
        "nodeAddedByUser": ["nodeAddedByUser(vtkMRMLNode*)"],
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self._shown: list[Any] = []
        self._current: Any = None
        self._wanted_id = ""
        self._flags = {"none": False, "add": True, "remove": True, "rename": False, "edit": False}
        self._selects_new = True
        self._texts = {"none": "None", "base": ""}
        super().__init__(parent)
        self._box.activated.connect(self._activate)

    def setMRMLScene(self, scene: Any) -> None:
        """Offer the nodes of another scene; without a scene nothing can be chosen."""
        super().setMRMLScene(scene)
        if scene is not None and self._wanted_id:
            self.setCurrentNodeID(self._wanted_id)
            self._wanted_id = ""

    def currentNode(self) -> Any:
        """Return the chosen node, or None."""
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node; None or one that is not offered: choose none."""
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id: str | None) -> None:
        """Choose a node by its id."""
        if self._scene is None:
            self._wanted_id = node_id or ""
            return
        self._shown = self._nodes()
        self._take(next((node for node in self._shown if node.GetID() == node_id), None))

    def setCurrentNodeIndex(self, index: int) -> None:
        """Choose one of the offered nodes by its place."""
        self.setCurrentNode(self.nodeFromIndex(index))

    def addNode(self, node_type: str = "") -> Any:
        """Make a node of the first type, as the entry of the menu does, and choose it."""
        kind = node_type or self._types[0]
        base = self._texts["base"] or self._scene.GetTagByClassName(kind)
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(base))
        if self._selects_new:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        """Remove the chosen node from the scene."""
        if self._current is not None:
            self._scene.RemoveNode(self._current)

    def _activate(self, index: int) -> None:
        rows = self._rows()
        node = rows[index][1] if 0 <= index < len(rows) else None
        self.setCurrentNode(node)
        self.nodeActivated.emit(node)

    def _rows(self) -> list[tuple[str, Any]]:
        none: list[tuple[str, Any]] = [(self._texts["none"], None)] if self._flags["none"] else []
        return none + [(node.GetName() or "", node) for node in self._shown]

    def _update(self) -> None:
        before, self._shown = self._rows(), self._nodes()
        self._watch_names(self._shown)
        if self._current is not None and self._current not in self._shown:
            self._take(self._neighbour([node for _, node in before]))
        elif self._current is None and not before and self._shown and not any(self._flags.values()):
            self._take(self._shown[0])
        else:
            self._rename()

    def _neighbour(self, before: list[Any]) -> Any:
        """Return the node of the entry that stood before the one that is gone, if there is one."""
        index = before.index(self._current) if self._current in before else 0
        node = before[index - 1] if index > 0 else None
        return node if node in self._shown else None

    def _take(self, node: Any) -> None:
        changed, self._current = node is not self._current, node
        self._rename()
        if changed:
            self.currentNodeChanged.emit(node)
            self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _rename(self) -> None:
        rows = self._rows()
        nodes = [node for _, node in rows]
        hint = "" if self._flags["none"] else f"Select a {self._type_name()}"
        with QtCore.QSignalBlocker(self._box):
            self._box.clear()
            self._box.addItems([text for text, _ in rows])
            self._box.setCurrentIndex(nodes.index(self._current) if self._current in nodes else -1)
            self._box.setPlaceholderText(hint)

    def _type_name(self) -> str:
        is_known = self._scene is not None and self._types
        return self._scene.GetTagByClassName(self._types[0]) or "node" if is_known else "node"

    def _get_current_id(self) -> str:
        return self._current.GetID() if self._current is not None else ""

    def _get_text(self) -> str:
        return self._box.currentText()

    def _set_flag(self, name: str, value: bool) -> None:
        self._flags[name] = value
        self._update()

    def _set_text(self, name: str, value: str) -> None:
        self._texts[name] = value
        self._update()

    def _set_selects_new(self, value: bool) -> None:
        self._selects_new = value

    currentNodeID = QtCore.Property(str, _get_current_id, setCurrentNodeID)
    currentText = QtCore.Property(str, _get_text)
    noneEnabled = QtCore.Property(
        bool, lambda self: self._flags["none"], lambda self, value: self._set_flag("none", value)
    )
    addEnabled = QtCore.Property(
        bool, lambda self: self._flags["add"], lambda self, value: self._set_flag("add", value)
    )
    removeEnabled = QtCore.Property(
        bool,
        lambda self: self._flags["remove"],
        lambda self, value: self._set_flag("remove", value),
    )
    renameEnabled = QtCore.Property(
        bool,
        lambda self: self._flags["rename"],
        lambda self, value: self._set_flag("rename", value),
    )
    editEnabled = QtCore.Property(
        bool, lambda self: self._flags["edit"], lambda self, value: self._set_flag("edit", value)
    )
    noneDisplay = QtCore.Property(
        str, lambda self: self._texts["none"], lambda self, value: self._set_text("none", value)
    )
    baseName = QtCore.Property(
        str, lambda self: self._texts["base"], lambda self, value: self._set_text("base", value)
    )
    selectNodeUponCreation = QtCore.Property(bool, lambda self: self._selects_new, _set_selects_new)
    interactionNodeSingletonTag = QtCore.Property(str, lambda _: "", lambda _, __: None)


class qMRMLCheckableNodeComboBox(NodeList):
    """Chooses several nodes."""

    checkedNodesChanged = QtCore.Signal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        self._checked: list[str] = []
        super().__init__(parent)

    def checkedNodes(self) -> list[Any]:
        """Return the checked nodes, in the scene's order."""
        return [node for node in self._nodes() if node.GetID() in self._checked]

    def uncheckedNodes(self) -> list[Any]:
        """Return the others."""
        return [node for node in self._nodes() if node.GetID() not in self._checked]

    def setCheckState(self, node: Any, state: Any) -> None:
        """Check a node, or not."""
        is_checked = QtCore.Qt.CheckState(state) == QtCore.Qt.CheckState.Checked
        self._check([node], is_checked=is_checked)

    def setCheckedNodes(self, nodes: list[Any]) -> None:
        """Check these nodes and no others."""
        wanted = [node.GetID() for node in nodes]
        if wanted != self._checked:
            self._checked = wanted
            self._rename()
            self.checkedNodesChanged.emit()

    def noneChecked(self) -> bool:
        """Tell whether nothing is checked."""
        return not self.checkedNodes()

    def _check(self, nodes: list[Any], *, is_checked: bool) -> None:
        before = list(self._checked)
        for node in nodes:
            if is_checked and node.GetID() not in self._checked:
                self._checked.append(node.GetID())
            elif not is_checked and node.GetID() in self._checked:
                self._checked.remove(node.GetID())
        if before != self._checked:
            self._rename()
            self.checkedNodesChanged.emit()

    def _update(self) -> None:
        nodes = self._nodes()
        self._watch_names(nodes)
        ids = {node.GetID() for node in nodes}
        left = [node_id for node_id in self._checked if node_id in ids]
        changed, self._checked = left != self._checked, left
        self._rename()
        if changed:
            self.checkedNodesChanged.emit()

    def _rename(self) -> None:
        names = [node.GetName() for node in self.checkedNodes()]
        self._box.clear()
        self._box.addItem(", ".join(names) or "None")

    currentNodeID = QtCore.Property(str, lambda _: "", lambda _, __: None)
