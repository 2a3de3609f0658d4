"""Pictures of a training in progress: source, translated, target, prediction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from CrossModalSegLib.core.config import atomic_write
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.methods.base import Method

ROW_TITLES = {
    "x_s": "source",
    "x_st": "source in target style",
    "x_t": "target",
    "x_ts": "target in source style",
    "prediction": "prediction on target",
}


@torch.no_grad()
def preview_rows(
    method: Method,
    deployed: Method,
    slices: tuple[torch.Tensor, torch.Tensor],
    autocast: Callable[[], AbstractContextManager[None]],
) -> dict[str, NDArray[np.float32]]:
    """Return the rows of a preview by name.

    Args:
        method: The networks in training, for translation.
        deployed: The networks that would be deployed, for the prediction.
        slices: x_s and x_t, each (batch, channels, height, width); the first channel is shown.
        autocast: The precision's context.

    Returns:
        Images (batch, height, width) in [-1, 1]; `prediction` holds class values.
    """
    x_s, x_t = slices
    was_training = method.training
    method.eval()
    with autocast():
        images = {"x_s": x_s, "x_t": x_t, **method.translate(x_s, x_t)}
        prediction = deployed.predict(x_t).argmax(dim=1)
    method.train(was_training)
    rows = {name: image[:, 0].float().cpu().numpy() for name, image in images.items()}
    rows["prediction"] = prediction.float().cpu().numpy()
    return {name: rows[name] for name in ROW_TITLES if name in rows}


def draw_preview(
    rows: dict[str, NDArray[np.float32]], task: Task, caption: str, path: Path
) -> None:
    """Draw the rows as one PNG; predictions are coloured over the target slices.

    Raises:
        StorageError: The disk is full.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(rows["x_s"])
    figure = Figure(figsize=(1.5 * columns, 1.62 * len(rows) + 0.3), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, (name, images) in enumerate(rows.items()):
        for column, image in enumerate(images):
            axis = axes[row, column]
            if name == "prediction":
                axis.imshow(_overlay(rows["x_t"][column], image, task))
            else:
                axis.imshow(image, cmap="gray", vmin=-1, vmax=1)
            axis.set_axis_off()
        axes[row, 0].set_title(ROW_TITLES[name], fontsize=7, loc="left")
    figure.suptitle(caption, fontsize=8)
    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def evenly_spaced(count: int, wanted: int) -> Sequence[int]:
    """Return at most `wanted` indices spread over range(count)."""
    wanted = min(wanted, count)
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def _overlay(
    image: NDArray[np.float32], labels: NDArray[np.float32], task: Task
) -> NDArray[np.float32]:
    picture = np.repeat(((image.clip(-1, 1) + 1) / 2)[..., None], 3, axis=2).astype(np.float32)
    for entry in task.classes:
        chosen = labels == entry.value
        picture[chosen] = 0.5 * picture[chosen] + 0.5 * np.array(entry.colour, np.float32) / 255
    return picture
