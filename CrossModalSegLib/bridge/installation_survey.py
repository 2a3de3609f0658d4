"""Which packages are there, which are missing and which are damaged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from CrossModalSegLib.bridge.requirements import TORCH, Requirement, fits

TorchState = Literal["ready", "missing", "broken"]

TORCH_MODULE = "torch"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a look at the installed packages has shown.

    Attributes:
        requirements: What is needed, beside PyTorch.
        versions: What is installed, PyTorch too.
        has_torch_files: Whether there is a module of that name.
        failures: Modules that could not be imported when these versions were tried, and why.
    """

    requirements: tuple[Requirement, ...]
    versions: Mapping[str, str | None]
    has_torch_files: bool
    failures: Mapping[str, str]

    @property
    def absent(self) -> tuple[Requirement, ...]:
        """Packages that are not there or too old."""
        return tuple(
            each
            for each in self.requirements
            if not (version := self.versions[each.name]) or not fits(version, each.bounds)
        )

    @property
    def damaged(self) -> tuple[Requirement, ...]:
        """Packages that are there and cannot be imported."""
        absent = self.absent
        return tuple(
            each
            for each in self.requirements
            if each.module in self.failures and each not in absent
        )

    @property
    def wanted(self) -> tuple[Requirement, ...]:
        """Packages to install."""
        return (*self.absent, *self.damaged)

    @property
    def torch(self) -> TorchState:
        """How it stands with PyTorch: without its files, or without its record, it is broken."""
        if self.versions[TORCH_MODULE] is None and not self.has_torch_files:
            return "missing"
        is_good = self._seems_torch_whole and TORCH_MODULE not in self.failures
        return "ready" if is_good else "broken"

    @property
    def seems_complete(self) -> bool:
        """Whether everything seems to be there, so that imports can be tried."""
        return not self.absent and self._seems_torch_whole

    @property
    def _seems_torch_whole(self) -> bool:
        version = self.versions[TORCH_MODULE]
        return version is not None and self.has_torch_files and fits(version, TORCH)


def survey(
    requirements: tuple[Requirement, ...],
    version_of: Callable[[str], str | None],
    has_module: Callable[[str], bool],
) -> Survey:
    """Look at what is installed, without importing it."""
    names = [*(each.name for each in requirements), TORCH_MODULE]
    return Survey(
        requirements=requirements,
        versions={name: version_of(name) for name in names},
        has_torch_files=has_module(TORCH_MODULE),
        failures={},
    )
