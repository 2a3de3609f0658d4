"""Placeholders for CTK's sliders and spin boxes, after their public documentation."""

# Named as CTK and Qt name things.
# ruff: noqa: N801, N802, N815

from __future__ import annotations

from PySide6 import QtCore, QtWidgets


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """A spin box for numbers with decimals."""


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider for numbers with decimals."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._range = [0.0, 99.0]
        self._step = 1.0
        self._value = 0.0
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, 1000)
        self._slider.valueChanged.connect(self._dragged)
        self._row.addWidget(self._slider)

    def _get_value(self) -> float:
        return self._value

    def setValue(self, value: float) -> None:
        """Set the value, kept within the range."""
        value = min(max(float(value), self._range[0]), self._range[1])
        if value == self._value:
            return
        self._value = value
        self._draw()
        self.valueChanged.emit(value)

    def _get_minimum(self) -> float:
        return self._range[0]

    def setMinimum(self, value: float) -> None:
        """Set the lower end."""
        self.setRange(value, max(value, self._range[1]))

    def _get_maximum(self) -> float:
        return self._range[1]

    def setMaximum(self, value: float) -> None:
        """Set the upper end."""
        self.setRange(min(value, self._range[0]), value)

    def setRange(self, minimum: float, maximum: float) -> None:
        """Set both ends."""
        self._range = [float(minimum), float(maximum)]
        self.setValue(self._value)
        self._draw()

    def _get_step(self) -> float:
        return self._step

    def setSingleStep(self, step: float) -> None:
        """Set how far an arrow key goes."""
        self._step = step

    def _draw(self) -> None:
        low, high = self._range
        part = (self._value - low) / (high - low) if high > low else 0.0
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setValue(round(1000 * part))

    def _dragged(self, position: int) -> None:
        low, high = self._range
        self.setValue(low + (high - low) * position / 1000)

    value = QtCore.Property(float, _get_value, setValue)
    minimum = QtCore.Property(float, _get_minimum, setMinimum)
    maximum = QtCore.Property(float, _get_maximum, setMaximum)
    singleStep = QtCore.Property(float, _get_step, setSingleStep)
    orientation = QtCore.Property(int, lambda _: 1, lambda _, __: None)


class ctkSliderWidget(ctkDoubleSlider):
    """A slider with a spin box beside it, which show the same value."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = ctkDoubleSpinBox()
        self._row.addWidget(self._box)
        self._box.valueChanged.connect(self.setValue)
        self._draw()

    def _get_decimals(self) -> int:
        return self._box.decimals()

    def setDecimals(self, decimals: int) -> None:
        """Set how many decimals are shown."""
        self._box.setDecimals(decimals)

    def _get_suffix(self) -> str:
        return self._box.suffix()

    def setSuffix(self, suffix: str) -> None:
        """Set what follows the number."""
        self._box.setSuffix(suffix)

    def _draw(self) -> None:
        super()._draw()
        if hasattr(self, "_box"):
            with QtCore.QSignalBlocker(self._box):
                self._box.setRange(*self._range)
                self._box.setSingleStep(self._step)
                self._box.setValue(self._value)

    decimals = QtCore.Property(int, _get_decimals, setDecimals)
    suffix = QtCore.Property(str, _get_suffix, setSuffix)
    tracking = QtCore.Property(bool, lambda _: True, lambda _, __: None)
