"""Looking at features while a network predicts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from CrossModalSegLib.bundle.features import (
    FeatureTap,
    deepest_layer,
    describe_slices,
    pool,
)
from CrossModalSegLib.methods import METHODS, build_method
from CrossModalSegLib.methods.base import Method

TINY = {"num_classes": 5, "backbone": {"name": "unet", "width": 4, "levels": 3}}


@pytest.fixture
def method() -> Method:
    torch.manual_seed(0)
    return build_method("supervised", TINY).eval()


def slices(count: int) -> Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_the_deepest_layer_has_the_smallest_output_and_is_the_last_of_these(method: Method) -> None:
    layer = deepest_layer(method, 1, (32, 32))
    modules = dict(method.named_modules())
    shapes = {}
    for name, module in modules.items():
        module.register_forward_hook(lambda _m, _i, o, name=name: shapes.update({name: o}))
    with torch.no_grad():
        method.predict(slices(1))
    found = shapes[layer]
    assert found.shape == (1, 16, 8, 8)  # two levels down, four times the width
    assert not list(modules[layer].children())


def test_critics_of_features_are_not_what_the_model_sees() -> None:
    method = build_method("glua", TINY).eval()
    critics = [f"{name}." for name in method.deployed if "critic" in name]
    assert critics
    assert not deepest_layer(method, 1, (32, 32)).startswith(tuple(critics))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_one(name: str) -> None:
    method = build_method(name, TINY).eval()
    for child, _ in list(method.named_children()):
        if child not in method.deployed:
            delattr(method, child)
    assert deepest_layer(method, 1, (32, 32)) in dict(method.named_modules())


def test_slices_too_small_to_have_places_have_none() -> None:
    shallow = {"num_classes": 5, "backbone": {"name": "unet", "width": 4, "levels": 2}}
    assert deepest_layer(build_method("supervised", shallow).eval(), 1, (3, 3)) == ""


def test_looking_leaves_nothing_behind(method: Method) -> None:
    tap = FeatureTap(method, deepest_layer(method, 1, (32, 32)))
    with tap.listening(), torch.no_grad():
        method.predict(slices(2))
    assert not any(module._forward_hooks for module in method.modules())


def test_what_is_kept_does_not_depend_on_the_batches(method: Method) -> None:
    layer = deepest_layer(method, 1, (32, 32))
    found = []
    for size in (1, 2, 5):
        tap = FeatureTap(method, layer)
        for batch in torch.split(slices(5), size):
            with tap.listening(), torch.no_grad():
                method.predict(batch)
            tap.keep()
        description = tap.description()
        assert description is not None
        found.append(description)
    assert found[0].shape == (2 * 16 * 2 * 2,)
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-5)


def test_a_batch_that_was_not_kept_does_not_count(method: Method) -> None:
    layer = deepest_layer(method, 1, (32, 32))
    once, again = FeatureTap(method, layer), FeatureTap(method, layer)
    with torch.no_grad():
        with again.listening():
            method.predict(slices(4))
        for tap in (once, again):
            with tap.listening():
                method.predict(slices(2))
            tap.keep()
    first, second = once.description(), again.description()
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)


def test_a_layer_that_is_not_there_says_nothing(method: Method) -> None:
    tap = FeatureTap(method, "no.such.layer")
    with tap.listening(), torch.no_grad():
        method.predict(slices(1))
    tap.keep()
    assert tap.description() is None


def test_places_and_channels_are_averaged() -> None:
    features = torch.arange(2 * 64 * 4 * 4, dtype=torch.float32).reshape(2, 64, 4, 4)
    pooled = pool(features)
    assert pooled.shape == (2, 32, 2, 2)
    expected = features[1, 6:8, 0:2, 2:4].mean()
    assert pooled[1, 3, 0, 1] == pytest.approx(float(expected))


def test_both_halves_of_the_stack_count_on_their_own() -> None:
    pooled = np.zeros((5, 1, 1, 1), np.float32)
    pooled[:, 0, 0, 0] = [1, 2, 3, 4, 5]
    assert describe_slices(pooled).tolist() == [2.0, 4.0]  # the middle one belongs to both
    assert describe_slices(pooled[:1]).tolist() == [1.0, 1.0]
