"""Steps of an exported model for MONAI's runner: from images to slices, and from slices to labels.

In an export this file is `scripts/pipeline.py`, and what it imports lies beside it: it needs torch,
MONAI, NumPy and SciPy, but not the program that the model comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.config import from_dict, read_json
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.preprocessing import prepare_image, restore_probabilities
from CrossModalSegLib.inference.post_processing import post_process

SLICES_AT_ONCE = 8

Item = dict[str, Any]
"""One case in MONAI's pipeline."""


class PrepareSlicesd(Transform):
    """Cut an image (1, i, j, k) into slices (slice, 1, row, column) in [-1, 1].

    Args:
        config: Path of `configs/config.json`.
        image: Key of the image.
        slices: Key of the result.
    """

    def __init__(self, config: str, image: str = "image", slices: str = "slices") -> None:
        self.settings = read_config(config).preprocessing
        self.image, self.slices = image, slices

    def __call__(self, data: Mapping[str, Any]) -> Item:
        """Return the item with the slices added."""
        volume = volume_of(data[self.image])
        slices = prepare_image(volume, self.settings)
        return {**data, self.slices: torch.from_numpy(slices).unsqueeze(1)}


class SliceInferer:
    """Run the network over slices, a few at once.

    Args:
        device: Where the network is.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device

    def __call__(
        self, slices: torch.Tensor, network: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Return probabilities (slice, class, row, column) on the CPU."""
        with torch.inference_mode():
            batches = torch.split(slices, SLICES_AT_ONCE)
            return torch.cat([network(self._placed(batch)).float().cpu() for batch in batches])

    def _placed(self, batch: torch.Tensor) -> torch.Tensor:
        # The program that the model comes from computes in this order, too: rounding is the same.
        return batch.to(self.device).contiguous(memory_format=torch.channels_last)


class RestoreLabelsd(Transform):
    """Turn probabilities of slices into labels (1, i, j, k) on the image's own grid.

    Args:
        config: Path of `configs/config.json`.
        image: Key of the image.
        pred: Key of the probabilities, and of the result.
    """

    def __init__(self, config: str, image: str = "image", pred: str = "pred") -> None:
        self.config = read_config(config)
        self.image, self.pred = image, pred

    def __call__(self, data: Mapping[str, Any]) -> Item:
        """Return the item with labels in place of probabilities."""
        image = data[self.image]
        probabilities = np.asarray(data[self.pred])
        labels = restore_probabilities(probabilities, volume_of(image), self.config.preprocessing)
        labels = post_process(labels, self.config.post_processing)
        array = np.ascontiguousarray(labels.array_kji.transpose(2, 1, 0))
        result = MetaTensor(torch.from_numpy(array)[None], meta=image.meta)
        return {**data, self.pred: result}


def read_config(path: str) -> BundleConfig:
    """Read what the model's makers say of it.

    Raises:
        ConfigError: The file is missing or damaged.
    """
    return from_dict(BundleConfig, read_json(Path(path)), path)


def volume_of(image: Any) -> Volume:
    """Return MONAI's image (1, i, j, k) as a volume, k first.

    Raises:
        GeometryError: It has several channels, or sheared axes.
    """
    array = np.asarray(image)[0]
    affine = np.asarray(image.affine, dtype=np.float64)
    check_affine(affine, "The image")
    return Volume(np.ascontiguousarray(array.transpose(2, 1, 0)), affine)
