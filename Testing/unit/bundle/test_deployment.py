"""From bundles to methods."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.errors import BundleError
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.methods.base import Method


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_every_method_predicts_the_same_after_a_round_trip(
    tmp_path: Path, tools: Any, name: str, suffix: str
) -> None:
    method = tools.make_method(name)
    config = tools.make_config(method, name)
    bundle = write_bundle(tmp_path / f"a{suffix}", config, tools.weights_of(method))
    loaded = load_method(bundle)
    images = torch.rand(3, 1, 16, 16) * 2 - 1
    with torch.no_grad():
        expected = method.eval().predict(images)
        assert torch.equal(loaded.predict(images), expected)


def test_weights_survive_bit_by_bit(bundle: Bundle, weights: dict[str, torch.Tensor]) -> None:
    loaded = load_method(bundle).state_dict()
    assert list(loaded) == list(weights)
    for name, tensor in weights.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_only_the_deployed_networks_are_there_ready_to_predict(
    bundle: Bundle, method: Method
) -> None:
    loaded = load_method(bundle)
    assert {name for name, _ in loaded.named_children()} == set(method.deployed)
    assert not loaded.training
    assert not any(weight.requires_grad for weight in loaded.parameters())
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))


def test_loading_leaves_the_random_numbers_alone(bundle: Bundle) -> None:
    before = torch.get_rng_state()
    load_method(bundle)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop(next(iter(w))), "missing"),
        (lambda w: w.update(extra=torch.zeros(2)), "extra left over"),
        (lambda w: w.update({next(iter(w)): torch.zeros(1, 2)}), "1x2 float32 instead of"),
        (lambda w: w.update({k: v.double() for k, v in w.items()}), "float64 instead of"),
    ],
)
def test_weights_of_another_network_are_refused(
    bundle: Bundle, weights: dict[str, torch.Tensor], change: Any, message: str
) -> None:
    changed = dict(weights)
    change(changed)
    (bundle.path / "models/model.safetensors").write_bytes(save(changed))
    with pytest.raises(BundleError, match=message):
        load_method(read_bundle(bundle.path))


def test_weights_in_half_precision_get_the_networks_type(
    tmp_path: Path, config: BundleConfig, method: Method
) -> None:
    halved = {
        name: tensor.half()
        for name, tensor in method.state_dict().items()
        if name.partition(".")[0] in method.deployed
    }
    bundle = write_bundle(tmp_path / "small", config, halved)
    assert b'"dtype":"F16"' in bundle.read_weights()
    loaded = load_method(bundle)
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, halved[name].float())
    with torch.no_grad():
        assert loaded.predict(torch.zeros(1, 1, 16, 16)).dtype == torch.float32


def test_loading_does_not_import_torchs_compiler(bundle: Bundle) -> None:
    program = (
        "import sys\n"
        "from CrossModalSegLib.bundle.deployment import load_method\n"
        "from CrossModalSegLib.bundle.reading import read_bundle\n"
        "load_method(read_bundle(sys.argv[1]))\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(bundle.path)], check=True)


def edit_settings(bundle: Bundle, **changes: Any) -> Bundle:
    path = bundle.path / "configs/config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["method_settings"]["backbone"].update(changes)
    path.write_text(json.dumps(content), encoding="utf-8")
    return read_bundle(bundle.path)


def test_a_description_that_lies_about_sizes_takes_no_memory(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="do not fit the method"):
        load_method(edit_settings(bundle, width=1024))


@pytest.mark.parametrize(("name", "size"), [("width", 10**9), ("width", 10**30), ("levels", 10**9)])
def test_sizes_that_no_network_has_are_a_bundle_error(bundle: Bundle, name: str, size: int) -> None:
    with pytest.raises(BundleError, match=f"backbone.{name} is {size}, expected"):
        load_method(edit_settings(bundle, **{name: size}))


def test_settings_that_the_method_refuses_are_a_bundle_error(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="unknown key 'surprise'"):
        load_method(edit_settings(bundle, surprise=1))


def test_an_unknown_method_is_a_bundle_error_that_lists_the_known_ones(bundle: Bundle) -> None:
    path = bundle.path / "configs/config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"dsan"', '"dsam"'), encoding="utf-8")
    with pytest.raises(BundleError, match="No method 'dsam'") as caught:
        load_method(read_bundle(bundle.path))
    assert "'dsan'" in caught.value.hint


def test_tensors_that_contradict_their_header_are_refused(bundle: Bundle) -> None:
    path = bundle.path / "models/model.safetensors"
    content = path.read_bytes()
    assert b'"dtype":"F32"' in content
    path.write_bytes(content.replace(b'"dtype":"F32"', b'"dtype":"F64"', 1))
    with pytest.raises(BundleError, match="weights cannot be read"):
        load_method(read_bundle(bundle.path))
