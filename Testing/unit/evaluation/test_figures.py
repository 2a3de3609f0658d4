"""Figures show what they were given, touch no global state, and keep their size."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from CrossModalSegLib.core.errors import CohortError, ConfigError, UnknownNameError
from CrossModalSegLib.evaluation.figure_style import method_colours, png_bytes
from CrossModalSegLib.evaluation.figures import (
    box_plots,
    learning_curves,
    mean_dice_bars,
    read_curves,
    violin_plots,
)
from CrossModalSegLib.evaluation.records import ScoreRecord

LABELS = {"dsan": "DSAN", "source_only": "Source only"}


def records(undefined: str = "") -> list[ScoreRecord]:
    return [
        ScoreRecord(
            method=method,
            case=case,
            region=region,
            dice=None if method == undefined else dice,
            hd_mm=5.0,
            hd95_mm=4.0,
            asd_mm=None,
            assd_mm=None,
            assd_voxels=None,
            volume_ml=1.0,
            reference_volume_ml=1.0,
            empty="none",
        )
        for method, dice in (("source_only", 0.2), ("dsan", 0.7))
        for case in ("a", "b", "c")
        for region in ("MYO", "AA")
    ]


def journal(path: Path, *lines: object) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def metrics(step: int, **values: float | None) -> dict[str, object]:
    return {"v": 1, "event": "metrics", "step": step, "values": values}


def pixels(figure: Figure) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png_bytes(figure))).convert("RGB"))


def _dots(axes: Axes) -> list[int]:
    return [len(np.asarray(dots.get_offsets())) for dots in axes.collections]


def test_pictures_hold_ink_and_have_the_same_pixels_each_time() -> None:
    first, second = pixels(mean_dice_bars(records())), pixels(mean_dice_bars(records()))
    np.testing.assert_array_equal(first, second)
    assert (first != 255).any(axis=2).mean() > 0.02
    assert first.shape[1] == 6 * 144


def test_drawing_leaves_matplotlibs_settings_alone() -> None:
    before = dict(mpl.rcParams)
    pixels(box_plots(records(), "dice"))
    assert dict(mpl.rcParams) == before


def test_bars_are_as_long_as_the_mean_and_have_a_dot_for_each_case() -> None:
    axes = mean_dice_bars(records(), LABELS).axes[0]
    bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    assert [bar.get_x() + bar.get_width() for bar in bars] == pytest.approx([20.0, 70.0])
    assert _dots(axes) == [3, 3]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Source only", "DSAN"]
    assert "(%)" in axes.get_xlabel()


def test_a_method_without_defined_dice_gets_no_bar() -> None:
    axes = mean_dice_bars(records("dsan")).axes[0]
    assert len(axes.patches) == 1
    assert "n/a" in [text.get_text() for text in axes.texts]


def test_box_plots_name_regions_methods_and_unit() -> None:
    figure = box_plots(records(), "hd95_mm", LABELS)
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["MYO", "AA"]
    assert axes.get_ylabel() == "HD95 (mm)"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["Source only", "DSAN"]
    assert _dots(axes).count(3) == 4


def test_box_plots_say_where_nothing_is_defined() -> None:
    texts = [text.get_text() for text in box_plots(records(), "asd_mm").axes[0].texts]
    assert texts == ["n/a"] * 4


def test_unknown_metrics_and_no_scores_are_refused() -> None:
    with pytest.raises(UnknownNameError):
        box_plots(records(), "jaccard index")
    with pytest.raises(CohortError):
        mean_dice_bars([])


def test_a_resumed_run_counts_the_later_line_of_a_step(tmp_path: Path) -> None:
    path = journal(
        tmp_path / "journal.jsonl",
        {"v": 1, "event": "stage", "stage": "train", "total": 30},
        metrics(10, seg=3.0),
        metrics(20, seg=9.0, adv_t=None),
        metrics(20, seg=2.0),
        metrics(5, seg=4.0),
    )
    path.write_text(path.read_text() + '{"v": 1, "event": "metr', encoding="utf-8")
    curves = read_curves(path)
    assert list(curves["seg"].items()) == [(5, 4.0), (10, 3.0), (20, 2.0)]
    assert "adv_t" not in curves


def test_learning_curves_have_a_panel_a_quantity_and_the_score_first(tmp_path: Path) -> None:
    journals = {
        "dsan": journal(tmp_path / "d", metrics(10, seg=1.0, adv_t=2.0, label_free_score=0.5)),
        "source_only": journal(tmp_path / "s", metrics(10, seg=1.5)),
    }
    figure = learning_curves(journals, LABELS)
    assert [axes.get_title("left") for axes in figure.axes] == ["label_free_score", "seg", "adv_t"]
    assert [len(axes.lines) for axes in figure.axes] == [1, 2, 1]
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
    assert (pixels(figure) != 255).any()


def test_a_journal_without_metrics_or_without_file_is_named(tmp_path: Path) -> None:
    path = journal(tmp_path / "journal.jsonl", {"event": "stage"})
    with pytest.raises(ConfigError, match=r"journal\.jsonl"):
        learning_curves({"dsan": path})
    with pytest.raises(ConfigError, match="absent"):
        learning_curves({"dsan": tmp_path / "absent"})


def test_the_bounds_keep_their_colours_and_no_two_methods_share_one() -> None:
    names = ["source_only", "source_only_augmented", "dsan", "bigl", "glua", "supervised"]
    colours = method_colours(names)
    assert len(set(colours.values())) == len(names)
    assert method_colours(["glua", "supervised"])["supervised"] == colours["supervised"]


def test_violins_show_every_case_and_survive_equal_values() -> None:
    figure = violin_plots(records(), "dice", LABELS)  # all cases of a method are equal
    (axes,) = figure.axes
    dots = [offset for entry in axes.collections for offset in np.asarray(entry.get_offsets())]
    assert sum(bool(np.isfinite(dot).all()) and dot[1] > 0 for dot in dots) == 12
    varied = [
        replace(record, dice=0.1 * index) for index, record in enumerate(records()[:6], start=1)
    ]
    shapes = [c for c in violin_plots(varied, "dice").axes[0].collections if c.get_paths()]
    heights = [np.ptp(np.asarray(shape.get_paths()[0].vertices)[:, 1]) for shape in shapes]
    assert max(heights) == pytest.approx(40.0)  # from the smallest value to the largest
    with pytest.raises(UnknownNameError):
        violin_plots(records(), "dise")
