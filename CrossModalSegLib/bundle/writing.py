"""Writing a bundle: configuration, MONAI metadata, weights, model card, licence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from CrossModalSegLib.bundle.archive import (
    CONFIG_FILE,
    LICENCE_FILE,
    METADATA_FILE,
    README_FILE,
    WEIGHTS_FILE,
)
from CrossModalSegLib.bundle.deployment import lay_out, require_fitting
from CrossModalSegLib.bundle.metadata import describe_for_monai
from CrossModalSegLib.bundle.model_card import licence_text, model_card
from CrossModalSegLib.bundle.packing import pack_files, require_free_output
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.config import to_dict


def write_bundle(
    output: Path | str,
    config: BundleConfig,
    weights: Mapping[str, Tensor],
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle, whole or not at all, and read it back.

    Args:
        output: A folder, or a file that ends in .zip.
        config: What the bundle says; clean `method_settings` with `schema.without_files`.
        weights: State of the method with its deployed networks alone; kept bit by bit.
        overwrite: Whether a bundle that is there may be replaced.

    Raises:
        BundleError: The weights are not those of the method that the configuration describes.
        OutputExistsError: The output is there and `overwrite` is False.
        StorageError: The disk is full or not writable, or the output is something else.
    """
    output = Path(output)
    require_free_output(output, overwrite=overwrite)
    require_fitting(lay_out(config, output), weights, output)
    metadata = describe_for_monai(config)
    files = {
        CONFIG_FILE: _json(to_dict(config)),
        METADATA_FILE: _json(to_dict(metadata)),
        WEIGHTS_FILE: save({name: _plain(tensor) for name, tensor in weights.items()}),
        README_FILE: model_card(config).encode(),
        LICENCE_FILE: licence_text(config).encode(),
    }
    pack_files(files, output, config.name, overwrite=overwrite)
    return read_bundle(output)


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor of its own memory, in C order, on the CPU."""
    return tensor.detach().cpu().clone().contiguous()


def _json(content: Any) -> bytes:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
