"""A bundle in the forms that other programs run: MONAI's runner, ONNX, TorchScript.

Unlike a bundle, these forms are programs: whoever loads them runs what is in them.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from CrossModalSegLib.bundle.archive import (
    CONFIG_FILE,
    LICENCE_FILE,
    METADATA_FILE,
    README_FILE,
)
from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.packing import pack_files, require_free_output
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.config import atomic_write, to_dict
from CrossModalSegLib.core.errors import (
    BundleError,
    ConfigError,
    MissingDependencyError,
    OutputExistsError,
    storage_errors,
)
from CrossModalSegLib.inference.export.monai_config import (
    INFERENCE_FILE,
    TORCHSCRIPT_FILE,
    inference_config,
    readme_section,
)
from CrossModalSegLib.inference.export.portable_sources import portable_sources
from CrossModalSegLib.methods.base import Method

ExportFormat = Literal["monai", "onnx", "torchscript"]

STATE_FILE = "models/model.pt"

SUFFIXES: dict[str, tuple[str, ...]] = {"onnx": (".onnx",), "torchscript": (".ts", ".pt")}

OPSET = 17
"""Of ONNX: has all that the networks need, and every runtime of today knows it."""

AGREEMENT = 1e-4
"""Largest difference in a probability that an export may have to the network itself."""

PIPELINE_PACKAGES = ("nibabel", "scipy")
"""What MONAI needs beyond its own requirements to run the export."""


class Predicting(nn.Module):
    """The deployed networks as one function: slices in [-1, 1] to probabilities of classes.

    Args:
        method: Ready to predict.
    """

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> Tensor:
        """Return (batch, class, height, width) for (batch, channel, height, width)."""
        probabilities: Tensor = self.method.predict(images)
        return probabilities


def export_bundle(
    bundle: Bundle, output: Path, form: ExportFormat, *, overwrite: bool = False
) -> None:
    """Write a bundle in another form, whole or not at all.

    Args:
        bundle: What is exported.
        output: For "monai" a folder or a .zip; for "onnx" a .onnx; for "torchscript" a .ts or .pt.
        form: Which form.
        overwrite: Whether an output that is there may be replaced.

    Raises:
        BundleError: The bundle is damaged, or its network cannot be exported.
        ConfigError: The output has another ending.
        MissingDependencyError: The package onnx is not installed.
        OutputExistsError: The output is there and `overwrite` is False.
        StorageError: The disk is full or not writable.
    """
    if form == "monai":
        require_free_output(output, overwrite=overwrite)
        pack_files(monai_files(bundle), output, bundle.config.name, overwrite=overwrite)
        return
    if output.suffix.lower() not in SUFFIXES[form]:
        raise ConfigError(
            f"{output} is no name for the form {form!r}, expected one that ends in "
            f"{' or '.join(SUFFIXES[form])}."
        )
    if output.exists() and not overwrite:
        raise OutputExistsError(output)
    content = onnx_bytes(bundle) if form == "onnx" else torchscript_bytes(bundle)
    with storage_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(output) as temporary:
        temporary.write_bytes(content)


def torchscript_bytes(bundle: Bundle) -> bytes:
    """Return the networks as TorchScript; any number of slices of the bundle's size.

    Raises:
        BundleError: It is damaged, or its network cannot be exported.
    """
    network = Predicting(load_method(bundle)).eval()
    example = _example(bundle)
    with _quiet(), torch.no_grad(), _export_errors(bundle):
        traced: Any = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call,unused-ignore]
        _require_agreement(bundle, network, traced)
    stream = io.BytesIO()
    extra = {"metadata.json": _metadata(bundle)}
    with _quiet():
        torch.jit.save(traced, stream, _extra_files=extra)
    return stream.getvalue()


def onnx_bytes(bundle: Bundle) -> bytes:
    """Return the networks as an ONNX model `images` -> `probabilities`; any number of slices.

    Raises:
        BundleError: The bundle is damaged, or its network cannot be exported.
        MissingDependencyError: The package onnx is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "The Python package 'onnx' is needed to export to ONNX and is not installed.",
            hint="Install it (pip install onnx), or export to TorchScript.",
        ) from error
    network = Predicting(load_method(bundle)).eval()
    stream: Any = io.BytesIO()
    with _quiet(), torch.no_grad(), _export_errors(bundle):
        torch.onnx.export(
            network,
            (_example(bundle),),
            stream,
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_axes={"images": {0: "slices"}, "probabilities": {0: "slices"}},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_from_string(stream.getvalue())
    for key, value in {
        "metadata": _metadata(bundle),
        "content_hash": bundle.content_hash,
        "config": json.dumps(to_dict(bundle.config), ensure_ascii=False),
    }.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def state_bytes(bundle: Bundle) -> bytes:
    """Return the weights as PyTorch saves them: the one file of weights that MONAI demands.

    Its specification requires `models/model.pt`; the runner uses the TorchScript file. Nothing but
    tensors is in it, so that `torch.load` with `weights_only=True` reads it.

    Raises:
        BundleError: The bundle is damaged.
    """
    stream = io.BytesIO()
    torch.save(dict(load_method(bundle).state_dict()), stream)
    return stream.getvalue()


def monai_files(bundle: Bundle) -> dict[str, bytes]:
    """Return the files of a bundle that MONAI's own runner runs, by name.

    Raises:
        BundleError: It is damaged, or its network cannot be exported.
    """
    own = bundle.read_files()
    return {
        CONFIG_FILE: own[CONFIG_FILE],
        METADATA_FILE: f"{_metadata(bundle)}\n".encode(),
        INFERENCE_FILE: _json(inference_config(bundle)).encode(),
        TORCHSCRIPT_FILE: torchscript_bytes(bundle),
        STATE_FILE: state_bytes(bundle),
        README_FILE: own[README_FILE] + readme_section(bundle).encode(),
        LICENCE_FILE: own[LICENCE_FILE],
        **portable_sources(),
    }


def _metadata(bundle: Bundle) -> str:
    """Return MONAI's metadata; the export needs other packages than the bundle."""
    packages = [*PIPELINE_PACKAGES]
    if bundle.config.preprocessing.bias_correction == "n4":
        packages.append("SimpleITK")
    needed = {name: metadata.version(name) for name in packages}
    described = replace(
        bundle.metadata, required_packages_version=needed, optional_packages_version=needed
    )
    return _json(to_dict(described))


def _example(bundle: Bundle) -> Tensor:
    """Return two slices of noise, always the same."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, *_slice_shape(bundle), generator=generator) * 2 - 1


def _slice_shape(bundle: Bundle) -> tuple[int, int, int]:
    """Return channels, rows and columns."""
    settings = bundle.config.preprocessing
    return settings.num_channels, *settings.matrix


def _require_agreement(bundle: Bundle, network: nn.Module, traced: Any) -> None:
    """Refuse a trace that does not do with other slices what the network does."""
    generator = torch.Generator().manual_seed(1)
    for count in (1, 3):
        slices = torch.rand(count, *_slice_shape(bundle), generator=generator)
        difference = float((network(slices) - traced(slices)).abs().max())
        if difference > AGREEMENT:
            raise BundleError(
                f"The exported network of {bundle.config.name} differs from the network itself by "
                f"{difference:.2g} in a probability, expected at most {AGREEMENT:g}.",
                hint="Use the bundle itself; this network cannot be exported.",
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's remarks on its exporters to itself: users cannot do anything about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _export_errors(bundle: Bundle) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise BundleError(
            f"The network of {bundle.config.name} cannot be exported: {reason}",
            hint="Use the bundle itself.",
        ) from error


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
