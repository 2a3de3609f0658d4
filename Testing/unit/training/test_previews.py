"""Preview pictures."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.training.previews import draw_preview, preview_rows

TINY = {"num_classes": 5, "iterations": 1, "backbone": {"name": "unet", "width": 4, "levels": 3}}
TINY_OF: dict[str, dict[str, Any]] = {
    "bigl": {"translation": {"translator": {"name": "unet", "width": 4, "levels": 3}}},
    "glua": {"translator": {"width": 4, "blocks": 1, "style_width": 8}},
}


@pytest.mark.parametrize("name", ["bigl", "dsan", "glua"])
def test_a_translating_method_shows_all_five_rows(name: str) -> None:
    method = build_method(name, {**TINY, **TINY_OF.get(name, {})}).train()
    images = torch.rand(3, 1, 32, 32) * 2 - 1
    rows = preview_rows(method, method, (images, -images), contextlib.nullcontext)
    assert list(rows) == ["x_s", "x_st", "x_t", "x_ts", "prediction"]
    assert all(row.shape == (3, 32, 32) for row in rows.values())
    np.testing.assert_allclose(rows["x_t"], -images[:, 0].numpy())
    assert method.training


def test_a_plain_segmenter_shows_three_rows() -> None:
    method = build_method("source_only", TINY)
    images = torch.rand(2, 1, 16, 16)
    rows = preview_rows(method, method, (images, images), contextlib.nullcontext)
    assert list(rows) == ["x_s", "x_t", "prediction"]


@pytest.mark.parametrize("name", ["bigl", "dsan", "glua"])
def test_the_rows_are_the_methods_own_images_and_prediction(name: str) -> None:
    torch.manual_seed(0)
    method = build_method(name, {**TINY, **TINY_OF.get(name, {})}).eval()
    x_s, x_t = torch.rand(2, 1, 32, 32) * 2 - 1, torch.rand(2, 1, 32, 32) * 2 - 1
    rows = preview_rows(method, method, (x_s, x_t), contextlib.nullcontext)
    with torch.no_grad():
        expected = {"x_s": x_s, "x_t": x_t, **method.translate(x_s, x_t)}
        prediction = method.predict(x_t).argmax(dim=1)
    for image, values in expected.items():
        np.testing.assert_array_equal(rows[image], values[:, 0].numpy())
    np.testing.assert_array_equal(rows["prediction"], prediction.numpy())


def test_the_picture_shows_classes_in_their_colours(tmp_path: Path) -> None:
    rows = {
        "x_s": np.zeros((2, 16, 16), np.float32),
        "x_t": np.full((2, 16, 16), -1, np.float32),
        "prediction": np.full((2, 16, 16), 3, np.float32),
    }
    draw_preview(rows, TASKS["cardiac"], "iteration 5", tmp_path / "p.png")
    picture = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    half = np.array(TASKS["cardiac"].classes[2].colour) // 2
    assert (np.abs(picture.astype(int) - half).max(axis=2) <= 2).sum() > 1000
