"""Every method's deployed networks leave in the forms of other programs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig, Modalities
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.preprocessing import default_preprocessing
from CrossModalSegLib.inference.export.exporting import Predicting, onnx_bytes, torchscript_bytes
from CrossModalSegLib.methods import METHODS, build_method
from CrossModalSegLib.methods.base import Method

TINY = {"num_classes": 5, "backbone": {"name": "unet", "width": 2, "levels": 2}}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    """Return a tiny model whose every weight counts: none stays zero."""
    torch.manual_seed(0)
    method = build_method(request.param, TINY)
    for weight in method.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight)
        else:
            torch.nn.init.uniform_(weight, 0.2, 0.4)
    return method.eval()


@pytest.fixture
def bundle(method: Method, tmp_path: Path) -> Bundle:
    (name,) = (name for name, cls in METHODS.items() if type(method) is cls)
    task, target = TASKS["cardiac"], MODALITIES["mr_bssfp"]
    config = BundleConfig(
        name="cardiac_tiny",
        title="Cardiac, tiny",
        method=name,
        method_settings=to_dict(method.config),
        task=task,
        modalities=Modalities(source=MODALITIES["ct"], target=target),
        preprocessing=default_preprocessing(task, target, matrix=(16, 16), spacing_mm=(1.5, 1.5)),
    )
    weights = {
        key: tensor
        for key, tensor in method.state_dict().items()
        if key.partition(".")[0] in method.deployed
    }
    return write_bundle(tmp_path / "bundle", config, weights)


def slices() -> torch.Tensor:
    return torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.fixture
def expected(method: Method) -> torch.Tensor:
    """Return what the method itself says, and see that it is no matter of one class."""
    with torch.no_grad():
        probabilities = method.predict(slices())
    assert len(torch.bincount(probabilities.argmax(dim=1).flatten()).nonzero()) > 1
    return probabilities


def test_a_bundle_gives_the_probabilities_of_the_method(
    bundle: Bundle, expected: torch.Tensor
) -> None:
    with torch.no_grad():
        found = Predicting(load_method(bundle))(slices())
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of TorchScript
def test_torchscript_gives_them_too(bundle: Bundle, expected: torch.Tensor) -> None:
    load: Any = torch.jit.load
    found = load(io.BytesIO(torchscript_bytes(bundle)))(slices())
    torch.testing.assert_close(found, expected)
    assert torch.equal(found.argmax(dim=1), expected.argmax(dim=1))


def test_onnx_gives_them_too(bundle: Bundle, expected: torch.Tensor) -> None:
    (found,) = ReferenceEvaluator(onnx_bytes(bundle)).run(None, {"images": slices().numpy()})
    np.testing.assert_allclose(np.asarray(found), expected.numpy(), atol=1e-3)


def test_what_the_method_attends_to_is_drawn_by_the_bundle_alone(
    method: Method, bundle: Bundle
) -> None:
    with torch.no_grad():
        found, maps = load_method(bundle).maps(slices()), method.maps(slices())
    assert set(found) == set(maps)
    for name, image in maps.items():
        assert image.shape == (3, 1, 16, 16)
        torch.testing.assert_close(found[name], image)
