"""Critics: patches of an image, a probability map or features to scores."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from CrossModalSegLib.core.tensors import Images, Scores
from CrossModalSegLib.networks.blocks import initialise_adversarial

CRITIC_LEAK = 0.2


class PatchDiscriminator(nn.Module):
    """Four convolutions to one score for each patch (DSAN, Sec. III.D; form of Isola et al. 2017).

    Kernels 4x4 that halve the resolution, the last 3x3 that does not; instance normalisation on
    all but the first and the last.

    Args:
        in_channels: Channels of what is judged.
        width: Channels after the first convolution, doubled up to four times.
        layers: Number of convolutions.
        normalised: Whether to normalise; probability maps are judged without, since it would
            remove how much of each class there is.
    """

    def __init__(
        self, in_channels: int, width: int = 64, layers: int = 4, *, normalised: bool = True
    ) -> None:
        super().__init__()
        channels = [width * min(2**layer, 4) for layer in range(layers - 1)]
        blocks: list[nn.Module] = [
            nn.Conv2d(in_channels, channels[0], kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(CRITIC_LEAK, inplace=True),
        ]
        for before, after in pairwise(channels):
            blocks.append(nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1))
            if normalised:
                blocks.append(nn.InstanceNorm2d(after, affine=True))
            blocks.append(nn.LeakyReLU(CRITIC_LEAK, inplace=True))
        blocks.append(nn.Conv2d(channels[-1], 1, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*blocks)
        initialise_adversarial(self)

    def forward(self, judged: Images) -> Scores:
        """Return raw scores, no activation."""
        scores: Scores = self.layers(judged)
        return scores
