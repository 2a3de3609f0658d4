"""DeepLab-ResNet50 at the papers' size, on meta tensors where numbers do not matter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError, InputFileError
from CrossModalSegLib.networks.deeplab import (
    AtrousClassifier,
    Bottleneck,
    DeepLabImageDecoder,
    ResNet50Encoder,
)


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


@pytest.fixture(scope="module")
def encoder() -> ResNet50Encoder:
    torch.manual_seed(0)
    return ResNet50Encoder().eval()


@pytest.fixture(scope="module")
def pretrained(encoder: ResNet50Encoder) -> dict[str, Tensor]:
    """Return a state dictionary as torchvision's, without batch norm counters.

    Every weight is the same quarter in memory, so that files of it are small.
    """
    weights = {
        name: torch.full((1,), 0.25).expand(value.shape)
        for name, value in encoder.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    return weights | {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}


def test_a_paper_size_slice_keeps_an_eighth_of_its_resolution() -> None:
    with torch.device("meta"):
        features = ResNet50Encoder()(torch.empty(8, 1, 256, 256))
    sizes = zip(ResNet50Encoder.channels, (128, 64, 32, 32, 32), strict=True)
    assert [each.shape for each in features] == [(8, channels, n, n) for channels, n in sizes]


def test_the_encoder_is_resnet50_without_its_head_and_colours() -> None:
    with torch.device("meta"):
        torchvisions, head, colours = 25_557_032, 2048 * 1000 + 1000, 2 * 64 * 7 * 7
        assert count(ResNet50Encoder()) == torchvisions - head - colours
        assert count(ResNet50Encoder(in_channels=3)) == torchvisions - head


def test_layers_are_dilated_instead_of_strided(encoder: ResNet50Encoder) -> None:
    layers = (encoder.layer1, encoder.layer2, encoder.layer3, encoder.layer4)
    middles = [
        [block.conv2 for block in layer.children() if isinstance(block, Bottleneck)]
        for layer in layers
    ]
    assert [len(layer) for layer in middles] == [3, 4, 6, 3]
    assert [{conv.dilation[0] for conv in layer} for layer in middles] == [{1}, {1}, {2}, {4}]
    assert [layer[0].stride[0] for layer in middles] == [1, 2, 1, 1]


def test_a_slice_that_is_no_multiple_of_eight_is_refused(encoder: ResNet50Encoder) -> None:
    with pytest.raises(ConfigError, match=r"36x32.*multiples of 8"):
        encoder(torch.zeros(1, 1, 36, 32))


@pytest.mark.parametrize("level", [-1, -2])
def test_classifiers_and_decoder_return_to_the_images_size(level: int) -> None:
    with torch.device("meta"):
        features = ResNet50Encoder()(torch.empty(8, 1, 256, 256))
        assert AtrousClassifier(5, level)(features).shape == (8, 5, 256, 256)
        assert DeepLabImageDecoder()(features).shape == (8, 1, 256, 256)


def test_the_classifier_sums_all_four_branches() -> None:
    torch.manual_seed(0)
    classifier, features = AtrousClassifier(3), (torch.randn(1, 2048, 8, 8),)
    expected = torch.zeros(1, 3, 8, 8)
    for branch, dilation in zip(classifier.branches, (6, 12, 18, 24), strict=True):
        assert isinstance(branch, nn.Conv2d)
        expected += nn.functional.conv2d(
            features[0], branch.weight, branch.bias, padding=dilation, dilation=dilation
        )
    enlarged = nn.functional.interpolate(expected, (64, 64), mode="bilinear")
    torch.testing.assert_close(classifier(features), enlarged)


def test_the_decoder_has_three_residual_blocks_and_three_deconvolutions() -> None:
    decoder = DeepLabImageDecoder(width=8)
    assert len(decoder.residual) == 3
    assert sum(isinstance(module, nn.ConvTranspose2d) for module in decoder.modules()) == 3
    for weight in decoder.enlarge[-2].parameters():
        nn.init.normal_(weight, 0.0, 10.0)
    images = decoder((torch.randn(1, 2048, 4, 4),))
    assert 0.9 < images.abs().max() <= 1


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_imagenet_weights_reach_layer1_to_layer4_and_nothing_else(
    pretrained: dict[str, Tensor], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"resnet50{suffix}"
    if suffix == ".pth":
        torch.save(pretrained, path)
    else:
        save_file({name: value.half().contiguous() for name, value in pretrained.items()}, path)
    encoder = ResNet50Encoder()
    stem = encoder.conv1.weight.detach().clone()
    encoder.load_pretrained(path)
    torch.testing.assert_close(encoder.conv1.weight, stem)
    for name, value in encoder.state_dict().items():
        if name.startswith("layer") and value.is_floating_point():
            assert (value == 0.25).all(), name
    path.unlink()  # 47 MB


def test_batch_norm_counters_are_accepted(
    encoder: ResNet50Encoder, pretrained: dict[str, Tensor], tmp_path: Path
) -> None:
    counters = {
        name: torch.tensor(7) for name in encoder.state_dict() if "num_batches_tracked" in name
    }
    assert counters
    torch.save(pretrained | counters, tmp_path / "newer.pth")
    encoder.load_pretrained(tmp_path / "newer.pth")


def test_a_weight_that_is_missing_is_named(
    encoder: ResNet50Encoder, pretrained: dict[str, Tensor], tmp_path: Path
) -> None:
    partial = {name: value for name, value in pretrained.items() if name != "layer3.5.bn2.weight"}
    torch.save(partial, tmp_path / "partial.pth")
    with pytest.raises(InputFileError, match=r"'layer3\.5\.bn2\.weight' is missing"):
        encoder.load_pretrained(tmp_path / "partial.pth")


def test_weights_of_another_shape_are_refused(
    encoder: ResNet50Encoder, pretrained: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save(pretrained | {"layer1.0.conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputFileError, match="other shapes"):
        encoder.load_pretrained(tmp_path / "other.pth")


class Payload:
    """A foreign class, as a pickle that runs code would hold."""


@pytest.mark.parametrize("content", [b"", b"no weights\n", bytes(100), b"\x80\x02X\xff\xff\xff"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_a_clear_error(
    encoder: ResNet50Encoder, tmp_path: Path, content: bytes, suffix: str
) -> None:
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match="could not be read as network weights"):
        encoder.load_pretrained(path)


def test_a_file_with_code_or_without_names_is_refused(
    encoder: ResNet50Encoder, tmp_path: Path
) -> None:
    torch.save({"layer1": Payload()}, tmp_path / "code.pth")
    with pytest.raises(InputFileError, match="could not be read"):
        encoder.load_pretrained(tmp_path / "code.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(InputFileError, match="holds a list, expected named weights"):
        encoder.load_pretrained(tmp_path / "list.pth")
    with pytest.raises(InputFileError, match="could not be read"):
        encoder.load_pretrained(tmp_path / "nothing.pth")
