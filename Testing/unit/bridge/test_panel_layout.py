"""The sheet around the views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.case_panel import REFERENCE_COLUMN, CasePanel
from CrossModalSegLib.bridge.panel_layout import write_panel
from CrossModalSegLib.bridge.panels import draw_case_panel
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume


def _labels() -> Volume:
    array = np.zeros((20, 20, 20), dtype=np.uint8)
    array[5:15, 5:15, 5:15] = 1
    return Volume(array, np.diag([3.0, 3.0, 3.0, 1.0]))


def _panel(columns: int = 2, **changes: Any) -> CasePanel:
    labels = _labels()
    settings: dict[str, Any] = {
        "image": labels.with_array(labels.array_kji * np.float32(100)),
        "segmentations": {f"Method {number}": labels for number in range(columns)},
        "task": TASKS["cardiac"],
        "tile_px": 120,
    }
    return CasePanel(**{**settings, **changes})


def _read(path: Path) -> Any:
    from matplotlib.image import imread

    return (imread(path)[..., :3] * 255).round().astype(np.uint8)


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_views_stand_in_columns_and_rows_pixel_for_pixel(tmp_path: Path, columns: int) -> None:
    shades = np.arange(1, 4 * columns + 1, dtype=np.uint8) * 10
    tiles = [
        [np.full((120, 120, 3), shade, dtype=np.uint8) for shade in column]
        for column in shades.reshape(columns, 4)
    ]
    write_panel(_panel(columns), tiles, tmp_path / "panel.png")
    picture = _read(tmp_path / "panel.png")
    for column in range(columns):
        for row in range(4):
            top, left = 92 + row * 126, 36 + column * 126
            tile = picture[top : top + 120, left : left + 120]
            # Letters and the scale bar stand at the edges and in the lower right.
            assert (tile[30:80, 30:90] == shades[column * 4 + row]).all()
            assert (tile[2, 2:30] == shades[column * 4 + row]).all()


def test_the_legend_has_every_colour_and_the_reference(tmp_path: Path) -> None:
    panel = _panel(4, reference=_labels())
    tiles = [[np.zeros((120, 120, 3), dtype=np.uint8)] * 4] * 5
    write_panel(panel, tiles, tmp_path / "panel.png")
    legend = _read(tmp_path / "panel.png")[92 + 4 * 126 :].reshape(-1, 3)
    for entry in panel.task.classes:
        assert (legend == entry.colour).all(axis=1).sum() > 30, entry.label


def test_a_narrow_sheet_breaks_its_legend_and_notes(tmp_path: Path) -> None:
    draw_case_panel(_panel(1), tmp_path / "narrow.png", reason="one " * 20)
    draw_case_panel(_panel(6), tmp_path / "wide.png", reason="one " * 20)
    assert _read(tmp_path / "narrow.png").shape[0] > _read(tmp_path / "wide.png").shape[0]


def test_names_may_hold_anything(tmp_path: Path) -> None:
    panel = _panel(0, segmentations={"a_$x$ µ_ß": _labels()}, title="100 % $ {x} \\alpha é")
    draw_case_panel(panel, tmp_path / "odd name é.png", reason="a test")
    assert (tmp_path / "odd name é.png").is_file()


def test_nothing_segmented_is_a_picture_too(tmp_path: Path) -> None:
    empty = _labels().with_array(np.zeros((20, 20, 20), dtype=np.uint8))
    panel = _panel(0, image=empty, segmentations={"Nothing": empty})
    draw_case_panel(panel, tmp_path / "empty.png", reason="a test")
    assert (tmp_path / "empty.png").is_file()


def test_nested_regions_are_in_the_legend(tmp_path: Path) -> None:
    panel = _panel(2, task=TASKS["brain_tumour"])
    draw_case_panel(panel, tmp_path / "tumour.png", reason="a test")
    legend = _read(tmp_path / "tumour.png")[92 + 4 * 126 :].reshape(-1, 3)
    for region in panel.task.regions:
        assert (legend == region.colour).all(axis=1).sum() > 30, region.label


def test_an_existing_picture_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "panel.png"
    path.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"panel\.png"):
        draw_case_panel(_panel(), path, reason="a test")
    assert path.read_bytes() == b"mine"
    draw_case_panel(_panel(), path, reason="a test", overwrite=True)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_window_is_of_what_is_seen() -> None:
    array = np.random.default_rng(0).uniform(0, 100, (60, 60, 60)).astype(np.float32)
    array[:, :10], array[50:] = 5000.0, -1000.0  # outside the field of view
    grid = Volume(array, np.diag([2.0, 2.0, 2.0, 1.0]))
    mask = np.zeros(array.shape, dtype=np.uint8)
    mask[25:35, 25:35, 25:35] = 1
    settings: dict[str, Any] = {"segmentations": {"A": grid.with_array(mask)}, "tile_px": 100}
    panel = CasePanel(image=grid, task=TASKS["cardiac"], **settings)
    np.testing.assert_allclose(panel.shown_window(), (1.0, 99.5), atol=0.7)
    fixed = CasePanel(image=grid, task=TASKS["cardiac"], window=(-5.0, 5.0), **settings)
    assert fixed.shown_window() == (-5.0, 5.0)


def test_the_first_column_with_something_in_it_leads() -> None:
    empty = _labels().with_array(np.zeros((20, 20, 20), dtype=np.uint8))
    panel = _panel(0, segmentations={"empty": empty, "full": _labels()})
    assert panel.leading_labels is panel.segmentations["full"]
    assert REFERENCE_COLUMN not in panel.columns
