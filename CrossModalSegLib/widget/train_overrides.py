"""Settings of a method that differ from its preset: a form made from what the library tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from CrossModalSegLib.bridge.training.method_info import (
    FALSE,
    TRUE,
    MethodInfo,
    range_text,
    read_value,
    value_text,
)
from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.setting_help import Setting
from CrossModalSegLib.widget.choices import Choices

NAME, VALUE, PRESET, REMOVE = range(4)
ROW_HEIGHT_PX = 28
COLUMN_WIDTHS_PX = {VALUE: 90, PRESET: 70, REMOVE: 56}
WRONG_STYLE = "background: #ffe3e0; color: #6b1414;"


class TrainOverrides:
    """Shows and changes the settings that differ from the preset.

    Args:
        ui: Widgets of TrainMethodPanel.ui.
        on_changed: Called when the user changed something.
    """

    def __init__(self, ui: Any, on_changed: Callable[[], None]) -> None:
        self._ui = ui
        self._on_changed = on_changed
        self._method: MethodInfo | None = None
        self._preset = ""
        self._texts: dict[str, str] = {}
        """Setting -> what stands in its field."""
        self._setting = Choices(ui.settingBox, self._show_help)
        ui.addSettingButton.clicked.connect(self._add)
        self._list()

    @property
    def changed_names(self) -> tuple[str, ...]:
        """Settings that the user wants to differ."""
        return tuple(self._texts)

    @property
    def wrong(self) -> str:
        """Why a value cannot be used; "" if all can."""
        for name in self._texts:
            try:
                self._read(name)
            except ConfigError as error:
                return str(error)
        return ""

    def values(self) -> dict[str, Any]:
        """Return setting -> value for those that do differ from the preset.

        Raises:
            ConfigError: A value cannot be used.
        """
        method = self._method
        values = {name: self._read(name) for name in self._texts}
        return {
            name: value
            for name, value in values.items()
            if method is not None
            and value is not None
            and value != method.value_in(self._preset, self._settings()[name])
        }

    def set_method(self, method: MethodInfo | None, preset: str) -> None:
        """Offer the settings of a method; changes stay as far as it has them, too."""
        if method is self._method and preset == self._preset:
            return
        self._method, self._preset = method, preset
        known = self._settings()
        self._texts = {name: text for name, text in self._texts.items() if name in known}
        entries = [(name, name) for name in known]
        self._setting.fill(entries, self._setting.current or (entries[0][0] if entries else ""))
        self._show_help(self._setting.current)
        self._list()

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Change exactly these settings."""
        known = self._settings()
        self._texts = {n: value_text(value) for n, value in values.items() if n in known}
        self._list()

    def _settings(self) -> dict[str, Setting]:
        settings: Sequence[Setting] = self._method.settings if self._method is not None else ()
        return {each.name: each for each in settings if each.kind != "group"}

    def _read(self, name: str) -> Any:
        return read_value(self._settings()[name], self._texts[name])

    def _preset_text(self, name: str) -> str:
        if self._method is None:
            return ""
        return value_text(self._method.value_in(self._preset, self._settings()[name]))

    def _show_help(self, name: str) -> None:
        setting = self._settings().get(name)
        self._ui.addSettingButton.setEnabled(setting is not None and name not in self._texts)
        if setting is None:
            self._ui.settingHelp.setText("")
            return
        text = _("{help} Takes: {range}. Here: {value}.")
        self._ui.settingHelp.setText(
            text.format(
                help=setting.help, range=range_text(setting), value=self._preset_text(name) or "-"
            ).strip()
        )

    def _add(self, *_args: object) -> None:
        name = self._setting.current
        if name in self._settings() and name not in self._texts:
            self._texts[name] = self._preset_text(name)
            self._list()
            self._on_changed()

    def _remove(self, name: str) -> None:
        self._texts.pop(name, None)
        self._list()
        self._on_changed()

    def _list(self) -> None:
        table = self._ui.settingsTable
        table.setVisible(bool(self._texts))
        table.setRowCount(0)
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Setting"), _("Value"), _("Preset"), ""])
        table.verticalHeader().setVisible(False)
        table.setRowCount(len(self._texts))
        for row, name in enumerate(self._texts):
            item = qt.QTableWidgetItem(name)
            item.setToolTip(self._settings()[name].help)
            table.setItem(row, NAME, item)
            table.setCellWidget(row, VALUE, self._editor(name))
            table.setItem(row, PRESET, qt.QTableWidgetItem(self._preset_text(name)))
            table.setCellWidget(row, REMOVE, self._remove_button(name))
        header = table.horizontalHeader()
        header.setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
        for column, width in COLUMN_WIDTHS_PX.items():
            table.setColumnWidth(column, width)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT_PX)
        table.setFixedHeight(ROW_HEIGHT_PX * (len(self._texts) + 1) + 6)
        self._show_help(self._setting.current)

    def _editor(self, name: str) -> Any:
        setting = self._settings()[name]
        choices = {"switch": (TRUE, FALSE), "choice": tuple(map(value_text, setting.choices))}
        if setting.kind not in choices:
            edit = qt.QLineEdit(self._texts[name])
            edit.setToolTip(range_text(setting))
            edit.textChanged.connect(lambda text: self._take(name, text, edit))
            return edit
        box = qt.QComboBox()
        for text in choices[setting.kind]:
            box.addItem(text)
        box.setCurrentIndex(max(0, box.findText(self._texts[name])))
        box.currentIndexChanged.connect(
            lambda index: self._take(name, choices[setting.kind][index], box)
        )
        return box

    def _take(self, name: str, text: str, editor: Any) -> None:
        self._texts[name] = text
        try:
            self._read(name)
        except ConfigError as error:
            editor.setStyleSheet(WRONG_STYLE)
            editor.setToolTip(str(error))
        else:
            editor.setStyleSheet("")
            editor.setToolTip(range_text(self._settings()[name]))
        self._on_changed()

    def _remove_button(self, name: str) -> Any:
        button = qt.QPushButton(_("Reset"))
        button.setToolTip(_("Leave {name} to the preset.").format(name=name))
        button.clicked.connect(lambda *_args: self._remove(name))
        return button
