"""How the comparison is seen: arrangement, structures, errors, opacity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from slicer.i18n import tr as _

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_grid import ComparisonGrid
from CrossModalSegLib.bridge.comparison.comparison_layout import Arrangement
from CrossModalSegLib.bridge.comparison.error_overlay import KINDS
from CrossModalSegLib.bridge.planes import ORIENTATIONS, Orientation
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.widget.choices import Choices
from CrossModalSegLib.widget.view_names import ViewNames

ALL = "all"


class ViewsPanel:
    """Shows one comparison out of several in linked views.

    Args:
        ui: Widgets of ComparePage.ui.
        grid: The views.
        on_shown: Called with the comparison that is shown now, None if there is none.
    """

    def __init__(
        self, ui: Any, grid: ComparisonGrid, on_shown: Callable[[Comparison | None], None]
    ) -> None:
        self._ui = ui
        self._grid = grid
        self._on_shown = on_shown
        self._comparisons: tuple[Comparison, ...] = ()
        self._present: Comparison | None = None
        self._names = ViewNames()
        self._volume = Choices(ui.shownVolumeBox, self._choose_volume)
        self._orientation = Choices(ui.orientationBox, self._arrange)
        self._structure = Choices(ui.structureBox, self._choose_structure)
        labels = {"axial": _("Axial"), "coronal": _("Coronal"), "sagittal": _("Sagittal")}
        self._orientation.fill([(name, labels[name]) for name in ORIENTATIONS], "axial")
        ui.opacitySlider.setValue(round(100 * grid.look.opacity))
        ui.errorSlider.setValue(round(100 * grid.look.error_opacity))
        ui.legendLabel.setText(_legend())
        for box in (ui.surfacesBox, ui.foldedBox):
            box.toggled.connect(self._arrange)
        for box in (ui.methodsBox, ui.referenceBox, ui.errorsBox):
            box.toggled.connect(self._restyle)
        for slider in (ui.opacitySlider, ui.errorSlider):
            slider.valueChanged.connect(self._restyle)
        ui.previousButton.clicked.connect(self._show_previous)
        ui.nextButton.clicked.connect(self._show_next)
        ui.showButton.clicked.connect(self._show_again)
        ui.leaveButton.clicked.connect(self.leave)
        self.update()

    @property
    def is_shown(self) -> bool:
        """Whether the views are what the user sees."""
        return self._grid.is_shown

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """All that can be chosen, one for each volume."""
        return self._comparisons

    @property
    def shown(self) -> Comparison | None:
        """The chosen comparison, whether its views are shown or not."""
        return self._present

    def set_comparisons(self, comparisons: Sequence[Comparison]) -> None:
        """Offer these and show the first one.

        Raises:
            CrossModalSegError: Its volume cannot be used.
        """
        self._comparisons = tuple(comparisons)
        names = [(str(index), each.volume.GetName()) for index, each in enumerate(comparisons)]
        self._volume.fill(names, "0")
        self._take(self._comparisons[0] if self._comparisons else None)

    def poll(self) -> None:
        """Let views follow; call it regularly.

        Raises:
            CrossModalSegError: As of `ComparisonGrid.poll`.
        """
        if self._present is not None and not self._present.is_whole:
            self.set_comparisons([each for each in self._comparisons if each.is_whole])
        was_shown = self._grid.comparison is not None
        self._grid.poll()
        if was_shown:
            self._name_views()
            self.update()

    def jump(self, orientation: str, index: int) -> None:
        """Show a slice.

        Args:
            orientation: "axial", "coronal" or "sagittal".
            index: Along the voxel axis that is nearest to the normal of such slices.
        """
        wanted = next((name for name in ORIENTATIONS if name == orientation), None)
        if wanted is None or self._present is None:
            return
        self._orientation.choose(wanted)
        if not self.is_shown:
            self._show_again()
        self._grid.look_at_slice(wanted, index)
        self.update()

    def leave(self, *_args: object) -> None:
        """Bring back the usual views; the comparison can be shown again."""
        self._grid.leave()
        self._names.clear()
        self.update()

    def update(self) -> None:
        """Enable what can be used."""
        ui, present = self._ui, self._present
        ui.viewsSection.setEnabled(present is not None)
        several = len(self._comparisons) > 1
        ui.shownVolumeBox.setVisible(several)
        ui.shownVolumeBoxLabel.setVisible(several)
        has_reference = present is not None and present.reference is not None
        for widget in (ui.referenceBox, ui.errorsBox, ui.errorSlider):
            widget.setEnabled(has_reference)
        ui.legendLabel.setVisible(has_reference and bool(ui.errorsBox.checked))
        ui.showButton.setEnabled(present is not None and not self.is_shown)
        ui.leaveButton.setEnabled(self.is_shown)

    def _take(self, comparison: Comparison | None) -> None:
        self._present = comparison
        if comparison is None:
            self._grid.leave()
            self._names.clear()
        else:
            structures = [(entry.name, entry.label) for entry in structures_of(comparison.task)]
            present = self._grid.look.structure
            chosen = present if present in dict(structures) else ""
            self._structure.fill([(ALL, _("All structures")), *structures], chosen or ALL)
            self._grid.look = replace(self._grid.look, structure=chosen)
            self._show()
        self.update()
        self._on_shown(comparison)

    def _show(self) -> None:
        if self._present is not None:
            self._grid.show(self._present, self._wanted_arrangement, self._wanted_look)
            self._name_views()

    def _show_again(self, *_args: object) -> None:
        self._show()
        self.update()
        self._on_shown(self._present)

    @property
    def _wanted_arrangement(self) -> Arrangement:
        orientation: Orientation = next(
            name for name in ORIENTATIONS if name == (self._orientation.current or "axial")
        )
        return Arrangement(
            orientation=orientation,
            with_surfaces=bool(self._ui.surfacesBox.checked),
            folded=bool(self._ui.foldedBox.checked),
        )

    @property
    def _wanted_look(self) -> Any:
        ui = self._ui
        return replace(
            self._grid.look,
            opacity=ui.opacitySlider.value / 100,
            with_methods=bool(ui.methodsBox.checked),
            with_reference=bool(ui.referenceBox.checked),
            with_errors=bool(ui.errorsBox.checked),
            error_opacity=ui.errorSlider.value / 100,
        )

    def _choose_volume(self, name: str) -> None:
        self._take(self._comparisons[int(name)])

    def _arrange(self, *_args: object) -> None:
        if self.is_shown:
            self._show()

    def _restyle(self, *_args: object) -> None:
        self._grid.set_look(self._wanted_look)
        self.update()

    def _choose_structure(self, name: str) -> None:
        structure = "" if name == ALL else name
        self._grid.set_look(replace(self._wanted_look, structure=structure))
        self._grid.look_at(structure)

    def _show_previous(self, *_args: object) -> None:
        self._structure.choose(self._grid.step_structure(-1) or ALL)

    def _show_next(self, *_args: object) -> None:
        self._structure.choose(self._grid.step_structure(1) or ALL)

    def _name_views(self) -> None:
        present = self._grid.comparison
        labels = [shown.label for shown in present.methods] if present is not None else []
        self._names.show(self._grid.columns, labels)


def _legend() -> str:
    """Return which colour is which kind of error."""
    return " ".join(
        f'<span style="color: rgb{kind.colour};">■</span>&nbsp;{_(kind.label)}' for kind in KINDS
    )
