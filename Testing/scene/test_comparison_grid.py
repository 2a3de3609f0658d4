"""What the views really draw: each method alone in its own, outlines, errors, linked slices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_grid import ComparisonGrid
from CrossModalSegLib.bridge.comparison.comparison_layout import Arrangement
from CrossModalSegLib.bridge.comparison.corner_names import CornerName
from CrossModalSegLib.bridge.comparison.error_overlay import CONFUSED, EXTRA, MISSED
from CrossModalSegLib.bridge.comparison.method_views import OURS, Look
from CrossModalSegLib.bridge.drawing import REFERENCE_COLOUR
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.views import SliceView, SurfaceView, grab
from CrossModalSegLib.core.volume import Volume
from Testing.scene.compared import (
    CARDIAC,
    COLOURS,
    add_volume,
    compare,
    draw,
    has_colour,
    linking,
    only,
    settle,
    shifted,
)

SIZE_PX = 160
FILLED = Look(opacity=1.0, with_reference=False)
ROTATING_FLAG = 1
CPU_SECONDS_PER_FRAME = 0.4
"""Five frames a second on two cores."""


class Bench:
    """A grid with views that draw it, and the usual red view beside it."""

    def __init__(self, session: HeadlessScene) -> None:
        self.session = session
        self._link = linking(session)
        self.usual = SliceView(session, "Red")
        self.grid = ComparisonGrid(session.mrml)
        self.slices: list[SliceView] = []

    def show(self, comparison: Comparison, look: Look, arrangement: Any = None) -> None:
        self.grid.show(comparison, arrangement or Arrangement(), look)
        known = {view.node.GetLayoutName() for view in self.slices}
        for column in self.grid.columns:
            if column.name not in known:
                self.slices.append(SliceView(self.session, column.name))
            column.slice_node.SetDimensions(SIZE_PX, SIZE_PX, 1)
        settle(self.grid)

    def draw(self) -> list[Any]:
        return draw(self.slices[: len(self.grid.columns)], SIZE_PX)


@pytest.fixture
def bench(view_session: HeadlessScene) -> Iterator[Bench]:
    bench = Bench(view_session)
    yield bench
    bench.grid.leave()


def _flat(labels: Volume) -> Volume:
    """Return structures as columns through all slices, so that each slice shows all of them."""
    array = np.zeros_like(labels.array_kji)
    for value in COLOURS:
        array[:, (labels.array_kji == value).any(axis=0)] = value
    return labels.with_array(array)


@pytest.fixture
def flat(plain_labels: Volume) -> Volume:
    return _flat(plain_labels)


@pytest.mark.parametrize("count", [2, 4])
def test_each_view_shows_its_own_method_and_no_other(
    bench: Bench, flat: Volume, count: int
) -> None:
    volume = add_volume(bench.session, flat)
    place_segments(flat, CARDIAC, volume, "somebody else's")
    comparison = compare(volume, [only(flat, 1 + n % 4) for n in range(count)])
    bench.show(comparison, FILLED)
    for index, picture in enumerate(bench.draw()):
        for value, colour in COLOURS.items():
            assert has_colour(picture, colour) == (value == index + 1), (index, value)


def test_what_is_added_later_is_kept_away_and_the_usual_views_show_it(
    bench: Bench, flat: Volume
) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [only(flat, 1), only(flat, 2)]), FILLED)
    place_segments(only(flat, 3), CARDIAC, volume, "later").GetDisplayNode().SetOpacity2DFill(1.0)
    bench.grid.keep_others_away()
    assert not any(has_colour(picture, COLOURS[3]) for picture in bench.draw())
    bench.usual.node.SetOrientation("Axial")
    bench.usual.node.SetFieldOfView(120.0, 120.0, 1.0)
    assert has_colour(bench.usual.render_as_set(SIZE_PX), COLOURS[3])


def test_one_structure_can_be_shown_alone(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [flat, flat]), FILLED)
    assert all(has_colour(bench.draw()[0], colour) for colour in COLOURS.values())
    assert bench.grid.step_structure(1) == "MYO"
    assert bench.grid.step_structure(1) == "LAC"
    settle(bench.grid)
    for picture in bench.draw():
        shown = [value for value, colour in COLOURS.items() if has_colour(picture, colour)]
        assert shown == [2]


def test_the_reference_is_an_outline_over_each_method(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    comparison = compare(volume, [only(flat, 1), only(flat, 2)], flat)
    bench.show(comparison, Look(opacity=1.0))
    for picture in bench.draw():
        white = (picture == REFERENCE_COLOUR).all(axis=2)
        assert 50 < white.sum() < 0.1 * white.size
    bench.grid.set_look(FILLED)
    assert not any((picture == REFERENCE_COLOUR).all(axis=2).any() for picture in bench.draw())


def test_errors_are_drawn_over_the_method_that_makes_them(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    swapped = flat.with_array(np.where(flat.array_kji == 1, 2, flat.array_kji).astype(np.uint8))
    added = flat.array_kji.copy()
    added[:, 2:8, 2:8] = 4
    methods = [only(flat, 1), flat, swapped, flat.with_array(added)]
    comparison = compare(volume, methods, flat)
    look = Look(with_errors=True, with_methods=False, with_reference=False)
    bench.show(comparison, look)
    expected = [{MISSED}, set(), {CONFUSED}, {EXTRA}]
    for picture, kinds in zip(bench.draw(), expected, strict=True):
        assert {kind for kind in (MISSED, EXTRA, CONFUSED) if has_colour(picture, kind.colour)} == (
            kinds
        )
    bench.grid.set_look(Look(with_errors=False, with_methods=False, with_reference=False))
    assert not any(picture.any() for picture in bench.draw())


def test_errors_follow_what_is_edited_and_fade(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    comparison = compare(volume, [flat, flat], flat)
    look = Look(with_errors=True, with_methods=False, with_reference=False, error_opacity=0.5)
    bench.show(comparison, look)
    assert not any(picture.any() for picture in bench.draw())
    node = comparison.methods[1].segmentation
    place_segments(only(flat, 1), CARDIAC, volume, "", output_node=node)
    settle(bench.grid)
    right, edited = bench.draw()
    assert not right.any()
    assert has_colour(edited, np.array(MISSED.colour) / 2)


def test_scrolling_one_view_scrolls_all_and_not_the_usual_ones(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [flat, flat, flat]), FILLED)
    first = bench.slices[0]
    usual_offset = bench.usual.node.GetSliceOffset()
    logic = bench.session.application.GetSliceLogic(first.node)
    for offset in (-10.0, 14.0):
        logic.StartSliceNodeInteraction(ROTATING_FLAG)
        logic.SetSliceOffset(offset)
        logic.EndSliceNodeInteraction()
        assert [view.node.GetSliceOffset() for view in bench.slices] == [offset] * 3
    assert bench.usual.node.GetSliceOffset() == usual_offset


def test_surfaces_are_each_in_their_own_3d_view(bench: Bench, plain_labels: Volume) -> None:
    volume = add_volume(bench.session, plain_labels)
    comparison = compare(volume, [only(plain_labels, 1), only(plain_labels, 3)])
    views: list[SurfaceView] = []
    bench.grid.show(comparison, Arrangement(with_surfaces=True), FILLED)
    views = [SurfaceView(bench.session, column.name) for column in bench.grid.columns]
    settle(bench.grid)
    pictures = [view.render_as_set(SIZE_PX) for view in views]
    grounds = [picture[:, :1].astype(int) for picture in pictures]  # the same along each row
    differs = [
        (np.abs(picture - ground) > 20).any(axis=2)
        for picture, ground in zip(pictures, grounds, strict=True)
    ]
    assert all(50 < mask.sum() < 0.5 * mask.size for mask in differs)
    reds = [picture[mask].mean(axis=0) for picture, mask in zip(pictures, differs, strict=True)]
    assert reds[0][0] > reds[0][2], "the myocardium is red"
    assert reds[1][2] > reds[1][0], "the ventricle is blue"


def test_names_stand_in_the_upper_left_corner(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [flat, flat]), Look(with_methods=False))
    window = bench.slices[0].window
    before = bench.draw()[0]
    name = CornerName(window)
    name.set_text("BiGL")
    changed = np.argwhere((grab(window) != before).any(axis=2))
    assert len(changed) > 30
    assert changed[:, 0].max() < 40
    assert changed[:, 1].max() < SIZE_PX // 2
    name.remove()
    assert np.array_equal(grab(window), before)


def test_leaving_gives_back_what_was_there(bench: Bench, flat: Volume) -> None:
    scene = bench.session.mrml
    volume = add_volume(bench.session, flat)
    comparison = compare(volume, [flat, flat], flat)
    displays = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode")
    bench.show(comparison, Look(with_errors=True))
    ours = [
        scene.GetNthNodeByClass(index, "vtkMRMLSegmentationDisplayNode")
        for index in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode"))
    ]
    assert [node.GetAttribute(OURS) for node in ours if node.GetAttribute(OURS)] == [
        *("method", "method", "reference")
    ]
    assert not any(node.GetSaveWithScene() for node in ours if node.GetAttribute(OURS))
    bench.grid.leave()
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationDisplayNode") == displays
    assert scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode") == 0
    for shown in comparison.methods:
        assert shown.segmentation.GetNumberOfDisplayNodes() == 1
        assert shown.segmentation.GetDisplayNode().GetNumberOfViewNodeIDs() == 0


def test_views_that_the_user_chose_for_a_segmentation_stay_chosen(
    bench: Bench, flat: Volume
) -> None:
    volume = add_volume(bench.session, flat)
    other = place_segments(flat, CARDIAC, volume, "other").GetDisplayNode()
    other.AddViewNodeID(bench.usual.node.GetID())
    bench.show(compare(volume, [flat, flat]), FILLED)
    bench.grid.leave()
    assert tuple(other.GetViewNodeIDs()) == (bench.usual.node.GetID(),)


def test_another_layout_or_a_deleted_method_ends_it(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [flat, flat]), FILLED)
    layout = bench.session.mrml.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    bench.grid.poll()
    assert bench.grid.comparison is None
    comparison = compare(volume, [flat, flat])
    bench.show(comparison, FILLED)
    bench.session.mrml.RemoveNode(comparison.methods[0].segmentation)
    bench.grid.poll()
    assert bench.grid.comparison is None


def test_a_slice_of_another_orientation_turns_the_views(bench: Bench, flat: Volume) -> None:
    volume = add_volume(bench.session, flat)
    bench.show(compare(volume, [flat, flat]), FILLED)
    bench.grid.look_at_slice("coronal", 10)
    for column in bench.grid.columns:
        assert column.slice_node.GetOrientation() == "Coronal"
        a_mm = (flat.affine_ras @ (0, 10, 0, 1))[1]
        assert abs(column.slice_node.GetSliceOffset()) == pytest.approx(abs(a_mm))


def test_six_views_scroll_at_five_frames_a_second(bench: Bench) -> None:
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in (80, 200, 200)), indexing="ij")
    radius = np.sqrt(sum(np.square(axis) for axis in axes))
    labels = np.zeros(radius.shape, np.uint8)
    for value, limit in enumerate((0.8, 0.6, 0.45, 0.3), start=1):
        labels[radius < limit] = value
    grid = Volume(labels, np.diag([1.0, 1.0, 2.0, 1.0]))
    volume = add_volume(bench.session, grid)
    methods = [shifted(grid, 2 * n) for n in range(6)]
    bench.show(compare(volume, methods, grid), Look(with_errors=True))
    logic = bench.session.application.GetSliceLogic(bench.slices[0].node)
    bench.draw()
    seconds = []
    for offset in range(60, 100, 4):
        began = time.process_time()
        logic.StartSliceNodeInteraction(ROTATING_FLAG)
        logic.SetSliceOffset(float(offset))
        logic.EndSliceNodeInteraction()
        for view in bench.slices:
            view.window.Render()
        seconds.append(time.process_time() - began)
    assert np.median(seconds) < CPU_SECONDS_PER_FRAME
