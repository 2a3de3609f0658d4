"""Networks by name: every part fits every other, and nonsense is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.networks.backbones import Backbone, BackboneName

NAMES: tuple[BackboneName, ...] = get_args(BackboneName)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("in_channels", [1, 4])
def test_the_parts_of_a_backbone_fit_together(name: BackboneName, in_channels: int) -> None:
    backbone = Backbone(name=name, in_channels=in_channels)
    with torch.device("meta"):
        features = backbone.encoder()(torch.empty(2, in_channels, 256, 256))
        assert tuple(each.shape[1] for each in features) == backbone.channels
        assert backbone.classifier(5)(features).shape == (2, 5, 256, 256)
        assert backbone.classifier_low(5)(features).shape == (2, 5, 256, 256)
        assert backbone.image_decoder()(features).shape == (2, 1, 256, 256)


@pytest.mark.parametrize("name", NAMES)
def test_both_classifiers_do_not_share_the_features_they_read(name: BackboneName) -> None:
    backbone = Backbone(name=name, width=4)
    with torch.device("meta"):
        features = [
            torch.empty(1, channels, 32, 32, requires_grad=True) for channels in backbone.channels
        ]
        backbone.classifier_low(3)(tuple(features)).sum().backward()
    read = [each.grad is not None for each in features]
    level = 3 if name == "deeplab_resnet50" else len(features) - 1
    assert read == [index == level for index in range(len(features))]


@pytest.mark.parametrize(
    "settings",
    [
        {"width": 0},
        {"levels": 1},
        {"in_channels": 0},
        {"name": "unet", "pretrained": "resnet50.pth"},
    ],
)
def test_networks_that_cannot_be_built_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Backbone(**settings)
