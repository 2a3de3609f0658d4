"""Convolutions that take up the batch normalisation behind them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_normalisation(module: nn.Module) -> int:
    """Fold batch normalisations with fixed statistics into the convolutions before them.

    The outputs stay the same but for rounding, and a pass over the features is saved. Folded are
    neighbours in an `nn.Sequential`, and `convN` with `bnN` of one module, as ResNets name them. A
    normalisation leaves an identity under its name; the module's weights can no longer be saved as
    those of its class.

    Args:
        module: In evaluation mode; changed in place.

    Returns:
        Number of normalisations that were folded.
    """
    folded = 0
    for parent in list(module.modules()):
        for name, following in list(_pairs(parent)):
            convolution, normalisation = getattr(parent, name), getattr(parent, following)
            setattr(parent, name, fuse_conv_bn_eval(convolution, normalisation))
            setattr(parent, following, nn.Identity())
            folded += 1
    return folded


def _pairs(parent: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of convolutions and of the normalisations right behind them."""
    children = dict(parent.named_children())
    if isinstance(parent, nn.Sequential):
        names = list(children)
        candidates = list(pairwise(names))
    else:
        candidates = [(name, name.replace("conv", "bn")) for name in children if "conv" in name]
    for name, following in candidates:
        normalisation = children.get(following)
        if (
            isinstance(children[name], nn.Conv2d)
            and isinstance(normalisation, nn.BatchNorm2d)
            and normalisation.track_running_stats
            and not normalisation.training
        ):
            yield name, following
