"""A comparison on the screen: its views, what they show, and where they look. Qt-free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from CrossModalSegLib.bridge.comparison.cameras import look_from_front
from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_labels import ComparisonLabels
from CrossModalSegLib.bridge.comparison.comparison_layout import (
    Arrangement,
    Column,
    ComparisonLayout,
)
from CrossModalSegLib.bridge.comparison.error_overlay import ErrorOverlay
from CrossModalSegLib.bridge.comparison.method_views import Look, MethodViews, add_surfaces
from CrossModalSegLib.bridge.comparison.structure_jumps import (
    fit_to_volume,
    jump_to,
    next_structure,
    slice_point,
    structure_centre,
)
from CrossModalSegLib.bridge.planes import Orientation
from CrossModalSegLib.bridge.segmentations import structures_of

FITTING_POLLS = 40
"""How long views may take to get their size after they were made: about a second."""


class ComparisonGrid:
    """Shows one comparison at a time. What takes long is done in `poll`, in small steps.

    Args:
        scene: The scene of the volumes.
    """

    def __init__(self, scene: Any) -> None:
        self._layout = ComparisonLayout(scene)
        self._views = MethodViews()
        self._errors = ErrorOverlay()
        self._labels: ComparisonLabels | None = None
        self._surfaces: Iterator[None] | None = None
        self._error_steps: Iterator[None] | None = None
        self._shown_errors: tuple[int, str] | None = None
        self._wanted_centre: str | None = None
        self._fitting = 0
        self._sizes: tuple[Any, ...] = ()
        self.comparison: Comparison | None = None
        self.arrangement = Arrangement()
        self.look = Look()

    @property
    def columns(self) -> tuple[Column, ...]:
        """The views of each method, in the order of the methods."""
        return self._layout.columns

    @property
    def is_shown(self) -> bool:
        """Whether the grid is what the user sees."""
        return self._layout.is_shown

    @property
    def is_busy(self) -> bool:
        """Whether `poll` has something to do yet."""
        waits = self._labels is not None and not self._labels.is_ready
        return waits or bool(self._surfaces or self._error_steps or self._errors_are_due)

    def show(
        self, comparison: Comparison, arrangement: Arrangement, look: Look | None = None
    ) -> None:
        """Show a comparison; the views look at the middle of what was found.

        Args:
            comparison: With at least one method.
            arrangement: Of the views.
            look: None: as before.

        Raises:
            CrossModalSegError: The volume cannot be used, see `ComparisonLabels`.
        """
        labels = ComparisonLabels(comparison)
        is_new = comparison is not self.comparison
        self._errors.clear()
        self._shown_errors = self._error_steps = None
        self.comparison, self.arrangement = comparison, arrangement
        if is_new or self._labels is None:
            self._labels = labels
        columns = self._layout.show(len(comparison.methods), arrangement)
        self._views.show(comparison, columns, look or self.look)
        self._surfaces = self._make_surfaces() if arrangement.with_surfaces else None
        self._fitting, self._sizes = FITTING_POLLS, ()
        self._fit()
        self.set_look(look or self.look)
        self.look_at(self.look.structure)

    def set_look(self, look: Look) -> None:
        """Draw as `look` says; errors follow when they are known."""
        self.look = look
        self._views.set_look(look)
        if look.with_errors:
            self._errors.set_opacity(look.error_opacity)
        else:
            self._errors.clear()
            self._shown_errors = self._error_steps = None

    def look_at(self, structure: str) -> None:
        """Look at a structure ("": at everything) as soon as it is known where it is."""
        self._wanted_centre = structure

    def step_structure(self, step: int) -> str:
        """Draw the next (1) or the former (-1) structure alone and look at it; return its name."""
        if self.comparison is None:
            return ""
        names = [entry.name for entry in structures_of(self.comparison.task)]
        name = next_structure(names, self.look.structure, step)
        self.set_look(replace(self.look, structure=name))
        self.look_at(name)
        return name

    def look_at_slice(self, orientation: Orientation, index: int) -> None:
        """Look at a slice of the volume.

        Args:
            orientation: Of the slice; the views have it already or are arranged anew.
            index: Along the voxel axis that is nearest to the normal of the slices.
        """
        comparison, labels = self.comparison, self._labels
        if comparison is None or labels is None:
            return
        if orientation != self.arrangement.orientation:
            self.show(comparison, replace(self.arrangement, orientation=orientation))
        self._wanted_centre = None
        jump_to(self.columns, slice_point(labels.grid, orientation, index))

    def poll(self) -> None:
        """Take the next small step.

        Raises:
            GeometryError: A segmentation was put under a transform that is not linear.
        """
        comparison, labels = self.comparison, self._labels
        if comparison is None or labels is None:
            return
        if not self.is_shown or not comparison.is_whole:
            self.leave()  # the user chose another layout, or deleted what was compared
            return
        self._fit()
        if not labels.step():
            return
        if self._wanted_centre is not None:
            self._look(comparison, labels, self._wanted_centre)
        elif self._surfaces is not None:
            self._surfaces = self._advanced(self._surfaces)
        elif self._errors_are_due:
            self._show_errors(comparison, labels)

    def keep_others_away(self) -> None:
        """Let nothing that was added to the scene be seen in the methods' views."""
        self._views.keep_others_away()

    def leave(self) -> None:
        """Bring back the user's layout, and let everything be seen where it was seen before."""
        self._errors.clear()
        self._views.clear()
        self._layout.leave()
        self._surfaces = self._error_steps = self._shown_errors = self._wanted_centre = None
        self._labels = self.comparison = None

    @property
    def _errors_are_due(self) -> bool:
        if self._labels is None or self.comparison is None or self.comparison.reference is None:
            return False
        wanted = (self._labels.version, self.look.structure)
        return self.look.with_errors and (self._shown_errors != wanted or bool(self._error_steps))

    def _show_errors(self, comparison: Comparison, labels: ComparisonLabels) -> None:
        wanted = (labels.version, self.look.structure)
        if self._shown_errors != wanted:
            self._shown_errors = wanted
            self._error_steps = self._errors.show(
                comparison, self.columns, labels, self.look.structure
            )
        if self._error_steps is not None:
            self._error_steps = self._advanced(self._error_steps)
            self._errors.set_opacity(self.look.error_opacity)

    def _look(self, comparison: Comparison, labels: ComparisonLabels, structure: str) -> None:
        self._wanted_centre = None
        centre = structure_centre(comparison, labels, structure, self.arrangement.orientation)
        if centre is not None:
            jump_to(self.columns, centre)

    def _make_surfaces(self) -> Iterator[None]:
        comparison = self.comparison
        if comparison is None:
            return
        yield from add_surfaces(comparison)
        self._views.take_opacities()
        look_from_front(self.columns, comparison)

    def _fit(self) -> None:
        """Show the whole volume, again whenever a view gets its size after it was made."""
        if self._fitting == 0 or self.comparison is None:
            return
        self._fitting -= 1
        sizes = tuple(column.slice_node.GetDimensions() for column in self.columns)
        if sizes != self._sizes:
            fit_to_volume(self.columns, self.comparison.volume, stay=bool(self._sizes))
            self._sizes = sizes

    @staticmethod
    def _advanced(steps: Iterator[None]) -> Iterator[None] | None:
        """Take a step; return what is left, None at the end."""
        return steps if next(steps, "end") is None else None
