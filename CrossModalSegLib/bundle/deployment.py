"""From a bundle to a method that predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from CrossModalSegLib.bundle.archive import damaged
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import BundleConfig
from CrossModalSegLib.core.errors import BundleError, ConfigError
from CrossModalSegLib.methods import build_method
from CrossModalSegLib.methods.base import Method

LISTED_WEIGHTS = 5
"""Messages name at most this many weights."""

STORED_AS = {torch.float32: (torch.float32, torch.float16)}
"""Types in which weights of a type may be stored; half precision makes a small file."""


def load_method(bundle: Bundle, device: torch.device | str = "cpu") -> Method:
    """Build the method with its deployed networks' weights, ready to predict.

    The network is laid out without memory first and compared with what the file holds, so that a
    description that lies about sizes cannot fill the memory.

    Weights that are stored in half precision get the type that the network computes with.

    Raises:
        BundleError: Method, settings or weights do not fit together, or the file is damaged.
    """
    weights = _read_weights(bundle)
    method = lay_out(bundle.config, bundle.path)
    require_fitting(method, weights, bundle.path)
    kinds = {name: tensor.dtype for name, tensor in method.state_dict().items()}
    weights = {name: tensor.to(kinds[name]) for name, tensor in weights.items()}
    method.load_state_dict(weights, strict=True, assign=True)
    return method.requires_grad_(requires_grad=False).eval().to(device)


def lay_out(config: BundleConfig, where: Path) -> Method:
    """Build the deployed networks of a bundle on torch's "meta" device: shapes without memory.

    Raises:
        BundleError: The method is unknown to this version, refuses the settings, or takes another
            number of images than the bundle says.
    """
    try:
        with torch.device("meta"), _WithoutRandomWeights():
            method = build_method(config.method, config.method_settings)
    except ConfigError as error:
        raise BundleError(f"{where}: {error.message}", hint=error.hint) from error
    except (RuntimeError, TypeError, OverflowError, MemoryError) as error:  # sizes beyond torch
        raise damaged(where, f"its settings describe no network ({_first_line(error)})") from error
    _require_channels(method, config, where)
    for name, _ in list(method.named_children()):
        if name not in method.deployed:
            delattr(method, name)
    return method


def _require_channels(method: Method, config: BundleConfig, where: Path) -> None:
    """Refuse networks that take another number of images than the bundle says."""
    wanted = config.preprocessing.num_channels
    backbone = getattr(method.config, "backbone", None)
    taken = getattr(backbone, "in_channels", wanted) if method.takes_several_images else 1
    if taken != wanted:
        raise damaged(where, f"its network takes {taken} input channels, expected {wanted}")


def require_fitting(method: Method, weights: Mapping[str, Tensor], where: Path) -> None:
    """Refuse weights that are not exactly those of the method's networks.

    Raises:
        BundleError: Weights are missing or left over, or have another shape or a type in which
            they cannot be stored.
    """
    expected = method.state_dict()
    missing = [name for name in expected if name not in weights]
    unexpected = [name for name in weights if name not in expected]
    differing = [
        f"{name} {_described(weights[name])} instead of {_described(tensor)}"
        for name, tensor in expected.items()
        if name in weights and not _fits(weights[name], tensor)
    ]
    problems = {"missing": missing, "left over": unexpected, "of another shape": differing}
    found = [f"{_listed(names)} {problem}" for problem, names in problems.items() if names]
    if found:
        raise BundleError(
            f"{where}: the weights do not fit the method: {'; '.join(found)}.",
            hint="The bundle is damaged or was made by another version; get it again.",
        )


def _read_weights(bundle: Bundle) -> dict[str, Tensor]:
    try:
        weights: dict[str, Tensor] = load(bundle.read_weights())
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise damaged(bundle.path, f"the weights cannot be read ({error})") from error
    return weights


_INITIALISERS = frozenset(
    {Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.trunc_normal_}
)


class _WithoutRandomWeights(TorchFunctionMode):
    """Leaves networks uninitialised while they are laid out.

    Tensors without memory have nothing to initialise, and drawing their random numbers would first
    import torch's compiler, which takes a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = kwargs or {}
        if func in _INITIALISERS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _fits(stored: Tensor, expected: Tensor) -> bool:
    kinds = STORED_AS.get(expected.dtype, (expected.dtype,))
    return stored.shape == expected.shape and stored.dtype in kinds


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _described(tensor: Tensor) -> str:
    kind = str(tensor.dtype).removeprefix("torch.")
    return f"{'x'.join(map(str, tensor.shape)) or 'scalar'} {kind}"


def _listed(names: list[str]) -> str:
    more = len(names) - LISTED_WEIGHTS
    return ", ".join(names[:LISTED_WEIGHTS]) + (f" and {more} more" if more > 0 else "")
