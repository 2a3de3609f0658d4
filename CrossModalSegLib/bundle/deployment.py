"""From a bundle to a method that predicts."""

from __future__ import annotations

import torch

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.errors import BundleError, ConfigError
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.methods.base import Method


def load_method(bundle: Bundle, device: torch.device) -> Method:
    """Build the deployed networks of a bundle and load their weights.

    Returns:
        The method in evaluation mode, without the networks that prediction does not need.

    Raises:
        BundleError: Method, settings and weights do not fit together.
    """
    config = bundle.config
    try:
        with torch.device("meta"):
            method = build_method(config.method, config.method_settings)
    except ConfigError as error:
        raise _unusable(bundle, str(error)) from error
    keep_deployed(method)
    weights = bundle.read_weights()
    try:
        method.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise _unusable(bundle, f"the weights do not fit the networks: {reason}") from error
    return method.to(device).eval().requires_grad_(requires_grad=False)


def keep_deployed(method: Method) -> None:
    """Drop the networks that prediction does not need."""
    deployed = method.deployed
    for name, _ in list(method.named_children()):
        if name not in deployed:
            delattr(method, name)


def _unusable(bundle: Bundle, reason: str) -> BundleError:
    return BundleError(
        f"{bundle.path} cannot be used: {reason}.",
        hint="It may come from another version of the program; train or export it again.",
    )
