"""The style transfer of GLUA: one auto-encoder for both domains, told by AdaIN which one is meant.

Z. Su et al., "Mind The Gap", IEEE JBHI 2023, https://arxiv.org/abs/2205.11888, appendix: Tables IV
to VII. Adaptive instance normalisation: X. Huang, S. Belongie, ICCV 2017,
https://arxiv.org/abs/1703.06868.

Where the tables do not add up: Table VI's "ReLU, Tanh" is Tanh alone, since images lie in [-1, 1];
its deconvolutions need an output padding of 1 to double the size; Table VII's last two convolutions
(4x4, stride 1, padding 1) each lose a pixel, whatever its column of sizes says. A residual block
has the one convolution and the one pair of scale and shift of its row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tensors import FeatureMap, Images, Scores
from CrossModalSegLib.networks.blocks import initialise_adversarial
from CrossModalSegLib.networks.discriminators import CRITIC_LEAK

SOURCE, TARGET = 0, 1
"""Domain labels d_s and d_t."""

NUM_DOMAINS = 2

EPSILON = 1e-5
"""Added to the variance; PyTorch's default."""

REDUCTION = 4
"""Image size over content size (Table IV)."""

Domains = Int[Tensor, " batch"]
"""The domain label of each image."""

Style = list[tuple[Tensor, Tensor]]
"""Scale and shift of each AdaIN layer in order, each (batch, channels)."""


def adaptive_instance_normalisation(
    x: FeatureMap, scale: Float[Tensor, "batch features"], shift: Float[Tensor, "batch features"]
) -> FeatureMap:
    """Give each channel of each image the standard deviation `scale` and the mean `shift`.

    Appendix, Eq. 3: `y_mu` scales and `y_sigma` shifts there, names that it swaps. Its Eq. 2 lacks
    the square of the (biased) variance.
    """
    batch, channels = x.shape[:2]
    # One channel for each channel of each image: statistics in float32 under autocast, too.
    normalised = F.batch_norm(
        x.reshape(1, batch * channels, *x.shape[2:]),
        running_mean=None,
        running_var=None,
        weight=scale.float().flatten(),
        bias=shift.float().flatten(),
        training=True,
        eps=EPSILON,
    )
    return normalised.view_as(x)


class StyleNetwork(nn.Module):
    """The MLP of Table V: domain labels to the scales and shifts of all AdaIN layers.

    At first every layer is plain instance normalisation, up to small differences between domains.

    Args:
        channels: Of each AdaIN layer in order; n_s is twice their sum.
        width: Of the two hidden layers.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.channels = tuple(channels)
        last = nn.Linear(width, 2 * sum(self.channels))
        self.layers = nn.Sequential(
            nn.Linear(NUM_DOMAINS, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width),
            nn.ReLU(inplace=True),
            last,
        )
        pairs = [[torch.ones(count), torch.zeros(count)] for count in self.channels]
        with torch.no_grad():
            last.bias.copy_(torch.cat([part for pair in pairs for part in pair]))

    def forward(self, domains: Domains) -> Style:
        """Return scale and shift of each layer."""
        one_hot = F.one_hot(domains, NUM_DOMAINS).float()
        sizes = [count for each in self.channels for count in (each, each)]
        parts = self.layers(one_hot).split(sizes, dim=1)
        return list(zip(parts[::2], parts[1::2], strict=True))


class ContentEncoder(nn.Module):
    """G_E, Table IV: images of given domains to their content.

    Args:
        width: Channels of the first convolution, doubled twice; 64 in the paper.
        blocks: Residual blocks; 4 in the paper.
        style_width: Hidden units of the MLP; 256 in the paper.
    """

    def __init__(self, width: int = 64, blocks: int = 4, style_width: int = 256) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [
                nn.Conv2d(1, width, 7, padding=3, bias=False),
                nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
                nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1, bias=False),
            ]
        )
        self.residual = _residual_convolutions(4 * width, blocks)
        self.style = StyleNetwork((width, 2 * width, *[4 * width] * (blocks + 1)), style_width)
        initialise_adversarial(self)

    def forward(self, images: Images, domains: Domains) -> FeatureMap:
        """Return the content, a quarter of the images' size.

        Raises:
            ConfigError: Height or width is no multiple of 4.
        """
        rows, columns = images.shape[2:]
        if rows % REDUCTION or columns % REDUCTION:
            raise ConfigError(
                f"Slices of {rows}x{columns} were given, the AdaIN translator needs multiples of "
                f"{REDUCTION}.",
                hint="Prepare the cohort with another --matrix.",
            )
        x, style = images, self.style(domains)
        for convolution, pair in zip(self.down, style, strict=False):
            x = _styled(convolution(x), pair)
        for convolution, pair in zip(self.residual, style[len(self.down) :], strict=True):
            x = x + _styled(convolution(x), pair)
        return x


class StyleDecoder(nn.Module):
    """G_D, Table VI: content to images of given domains, in [-1, 1].

    Args:
        width: Channels before the last convolution; 64 in the paper.
        blocks: Residual blocks; 4 in the paper.
        style_width: Hidden units of the MLP; 256 in the paper.
    """

    def __init__(self, width: int = 64, blocks: int = 4, style_width: int = 256) -> None:
        super().__init__()
        self.residual = _residual_convolutions(4 * width, blocks)
        self.up = nn.ModuleList(
            [_deconvolution(4 * width, 2 * width), _deconvolution(2 * width, width)]
        )
        self.image = nn.Conv2d(width, 1, 7, padding=3)
        self.style = StyleNetwork((*[4 * width] * blocks, 2 * width, width), style_width)
        initialise_adversarial(self)

    def forward(self, content: FeatureMap, domains: Domains) -> Images:
        """Return images, four times the content's size."""
        x, style = content, self.style(domains)
        for convolution, pair in zip(self.residual, style, strict=False):
            x = x + _styled(convolution(x), pair)
        for convolution, pair in zip(self.up, style[len(self.residual) :], strict=True):
            x = _styled(convolution(x), pair)
        images: Images = torch.tanh(self.image(x))
        return images


class DomainDiscriminator(nn.Module):
    """D, Table VII: is this a real image of its domain? One body, one output branch a domain.

    Args:
        width: Channels of the first convolution, doubled three times; 64 in the paper.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 4, stride=2, padding=1),
            nn.LeakyReLU(CRITIC_LEAK, inplace=True),
            *_judging(width, 2 * width, stride=2),
            *_judging(2 * width, 4 * width, stride=2),
            *_judging(4 * width, 8 * width, stride=1),
        )
        self.branches = nn.Conv2d(8 * width, NUM_DOMAINS, 4, padding=1)  # an output each
        initialise_adversarial(self)

    def forward(self, images: Images, domains: Domains) -> Scores:
        """Return raw scores of each image's own branch, D(x|d)."""
        both: Tensor = self.branches(self.body(images))
        chosen = F.one_hot(domains, NUM_DOMAINS).bool()
        return both[chosen].unsqueeze(1)


def _styled(x: Tensor, pair: tuple[Tensor, Tensor]) -> Tensor:
    return F.relu(adaptive_instance_normalisation(x, *pair), inplace=True)


def _residual_convolutions(channels: int, blocks: int) -> nn.ModuleList:
    # AdaIN takes away what a bias would add.
    return nn.ModuleList(
        nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(blocks)
    )


def _deconvolution(before: int, after: int) -> nn.Module:
    return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1, bias=False)


def _judging(before: int, after: int, *, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False),
        nn.InstanceNorm2d(after, affine=True),
        nn.LeakyReLU(CRITIC_LEAK, inplace=True),
    )
