"""Steps of an exported model for MONAI's runner: from images to slices, and from slices to labels.

In an export this file is `scripts/pipeline.py`, and what it imports lies beside it: it needs torch,
MONAI, NumPy and SciPy, but not the program that the model comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.transform import Transform

from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.config import from_dict, read_json
from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.geometry import check_affine
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.channels import crop_images, on_grid_of_first, prepare_images
from CrossModalSegLib.data.foreground import paste
from CrossModalSegLib.data.preprocessing import crop_volume, restore_probabilities
from CrossModalSegLib.inference.post_processing import post_process

SLICES_AT_ONCE = 8

Item = dict[str, Any]
"""One case in MONAI's pipeline."""


class PrepareSlicesd(Transform):
    """Cut the images (1, i, j, k) of a case into slices (slice, channel, row, column) in [-1, 1].

    Args:
        config: Path of `configs/config.json`.
        images: Keys of the images, in the order of the channels.
        slices: Key of the result.
    """

    def __init__(
        self, config: str, images: Sequence[str] = ("image",), slices: str = "slices"
    ) -> None:
        self.settings = read_config(config).preprocessing
        self.images, self.slices = images, slices

    def __call__(self, data: Mapping[str, Any]) -> Item:
        """Return the item with the slices added."""
        volumes = on_grid_of_first([volume_of(data[key]) for key in self.images])
        slices = prepare_images(crop_images(volumes, self.settings), self.settings)
        return {**data, self.slices: torch.from_numpy(slices)}


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
    """Turn probabilities of slices into labels (1, i, j, k) on the first image's own grid.

    Args:
        config: Path of `configs/config.json`.
        image: Key of the first image.
        pred: Key of the probabilities, and of the result.
    """

    def __init__(self, config: str, image: str = "image", pred: str = "pred") -> None:
        self.config = read_config(config)
        self.image, self.pred = image, pred

    def __call__(self, data: Mapping[str, Any]) -> Item:
        """Return the item with labels in place of probabilities."""
        image = data[self.image]
        probabilities = np.asarray(data[self.pred])
        volume, settings = volume_of(image), self.config.preprocessing
        part = crop_volume(volume, settings)
        labels = paste(restore_probabilities(probabilities, part, settings), volume)
        labels = post_process(labels, self.config.post_processing, self.config.task)
        array = np.ascontiguousarray(labels.array_kji.transpose(2, 1, 0))
        result = MetaTensor(torch.from_numpy(array)[None], meta=image.meta)
        return {**data, self.pred: result}


def find_cases(folder: str, names: Sequence[str]) -> list[list[str]]:
    """Return the files `FOLDER/<case>/image_<name>.nii.gz` of each case, in the names' order.

    Raises:
        InputFileError: A case lacks an image.
    """
    cases = []
    for place in sorted(path for path in Path(folder).iterdir() if path.is_dir()):
        found = [sorted(place.glob(f"image_{name}.nii*")) for name in names]
        missing = [name for name, files in zip(names, found, strict=True) if len(files) != 1]
        if missing:
            raise InputFileError(
                f"{place} has no image_{missing[0]}.nii.gz, or several.",
                hint=f"Each case needs one image of each of {', '.join(names)}.",
            )
        cases.append([str(files[0]) for files in found])
    return cases


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
