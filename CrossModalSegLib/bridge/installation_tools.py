"""What packages are installed with: Slicer's own ways where they are, pip elsewhere."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from CrossModalSegLib.bridge.pip_runs import SlicerPackaging
from CrossModalSegLib.bridge.processes import Launch, launch_process
from CrossModalSegLib.bridge.requirements import TORCH, installed_version
from CrossModalSegLib.bridge.verification import Trial, Verification
from CrossModalSegLib.core.errors import Cancelled, MissingDependencyError


class TorchInstaller(Protocol):
    """What is used of the PyTorch extension: `PyTorchUtils.PyTorchUtilsLogic`."""

    def installTorch(  # noqa: N802
        self,
        *,
        askConfirmation: bool,  # noqa: N803
        torchVersionRequirement: str,  # noqa: N803
    ) -> object:
        """Install PyTorch for this machine; None if the user does not want it."""

    def uninstallTorch(self) -> object:  # noqa: N802
        """Remove PyTorch."""


def has_module(name: str) -> bool:
    """Tell whether a module can be found, without importing it; an empty folder is none."""
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.origin is not None


@dataclass(frozen=True, kw_only=True)
class InstallationTools:
    """What an installation is done with; replaced in tests.

    Attributes:
        packaging: `slicer.packaging`; None: pip in a process.
        torch_installer: Makes that of the PyTorch extension; None if that is not installed.
        launch: Starts pip.
        verify: Begins to try imports.
        version_of: Tells the version of a package, without importing it.
        has_module: Tells whether a module can be found, without importing it.
    """

    packaging: SlicerPackaging | None = None
    torch_installer: Callable[[], TorchInstaller | None] = lambda: None
    launch: Launch = launch_process
    verify: Callable[[list[str]], Trial] = Verification
    version_of: Callable[[str], str | None] = installed_version
    has_module: Callable[[str], bool] = has_module


def tools_of_slicer() -> InstallationTools:
    """Return what this Slicer has to install packages with; outside of Slicer, pip."""
    return InstallationTools(
        packaging=_packaging_of_slicer(), torch_installer=_torch_installer_of_slicer
    )


def install_torch(installer: TorchInstaller | None, *, again: bool) -> None:
    """Install PyTorch through its extension.

    Args:
        installer: The extension's.
        again: Remove what is there first.

    Raises:
        Cancelled: The user does not want it.
        MissingDependencyError: It failed, or the extension is missing.
    """
    if installer is None:
        raise MissingDependencyError(
            "The Slicer extension 'PyTorch' is not installed; PyTorch comes through it.",
            hint="Install 'PyTorch' in the Extensions Manager, restart Slicer, and try again.",
        )
    if again and "torch" in sys.modules:
        raise MissingDependencyError(
            "PyTorch is in use by Slicer and cannot be replaced.",
            hint="Restart Slicer and install before any other module uses PyTorch.",
        )
    try:
        if again:
            installer.uninstallTorch()
        installed = installer.installTorch(askConfirmation=True, torchVersionRequirement=TORCH)
    except Exception as error:  # pip, network and imports all fail in there
        raise MissingDependencyError(
            f"PyTorch could not be installed: {type(error).__name__}: {error}."
        ) from error
    if installed is None:
        raise Cancelled


def _packaging_of_slicer() -> SlicerPackaging | None:
    if "slicer" not in sys.modules:
        return None
    try:
        packaging: SlicerPackaging = importlib.import_module("slicer.packaging")
    except ImportError:  # before Slicer 5.12
        return None
    return packaging


def _torch_installer_of_slicer() -> TorchInstaller | None:
    try:
        module = importlib.import_module("PyTorchUtils")
    except ImportError:
        return None
    installer: TorchInstaller = module.PyTorchUtilsLogic()
    return installer
