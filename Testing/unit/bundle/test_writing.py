"""Writing bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.errors import BundleError, OutputExistsError

Weights = dict[str, torch.Tensor]


def test_a_bundle_has_monais_layout(bundle: Bundle) -> None:
    files = {p.relative_to(bundle.path).as_posix() for p in bundle.path.rglob("*") if p.is_file()}
    assert files == {
        "configs/metadata.json",
        "configs/config.json",
        "models/model.safetensors",
        "docs/README.md",
        "LICENSE",
    }


def test_what_was_written_is_read_back(bundle: Bundle, config: BundleConfig) -> None:
    assert bundle.config == config


def test_strided_shared_and_graded_weights_are_written_as_they_read(
    tmp_path: Path, config: BundleConfig, weights: Weights
) -> None:
    odd = {
        name: tensor.clone().requires_grad_(tensor.is_floating_point())
        for name, tensor in weights.items()
    }
    name = next(name for name, tensor in weights.items() if tensor.dim() == 4)
    odd[name] = weights[name].contiguous(memory_format=torch.channels_last)
    bundle = write_bundle(tmp_path / "a", config, odd)
    read = load(bundle.read_weights())
    assert all(torch.equal(read[key], weights[key]) for key in weights)


def test_weights_that_could_not_be_loaded_are_not_written(
    tmp_path: Path, config: BundleConfig, weights: Weights
) -> None:
    weights.pop(next(iter(weights)))
    with pytest.raises(BundleError, match="missing"):
        write_bundle(tmp_path / "a", config, weights)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_replaced_only_on_demand(
    bundle: Bundle, config: BundleConfig, weights: Weights
) -> None:
    with pytest.raises(OutputExistsError):
        write_bundle(bundle.path, config, weights)
    zeros = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    replaced = write_bundle(bundle.path, config, zeros, overwrite=True)
    assert not any(tensor.any() for tensor in load(replaced.read_weights()).values())
