"""Less memory for more time: activations that are computed again when they are needed.

T. Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", https://arxiv.org/abs/1604.06174
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute_activations(network: nn.Module) -> None:
    """Let a network forget its activations and compute them again on the way back.

    Results are the same to the bit. Left as they are: networks that keep statistics of their
    batches, which would count every batch twice, and passes in which weights are frozen, since
    they may not be frozen any more on the way back. A copy of the network would call the original:
    copy first.
    """
    if any(getattr(module, "track_running_stats", False) for module in network.modules()):
        return
    forward = network.forward

    def forgetful(*arguments: Any) -> Any:
        learns = all(weight.requires_grad for weight in network.parameters())
        if not (learns and torch.is_grad_enabled()):
            return forward(*arguments)
        return checkpoint(forward, *arguments, use_reentrant=False, preserve_rng_state=False)

    network.forward = forgetful
