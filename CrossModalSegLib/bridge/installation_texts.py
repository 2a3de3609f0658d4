"""What the user reads of an installation."""

from __future__ import annotations

from collections.abc import Sequence

from CrossModalSegLib.bridge.installation_survey import TORCH_MODULE, Survey, TorchState
from CrossModalSegLib.bridge.requirements import Requirement

READY = "Everything that is needed is installed."

HOW_BY_HAND = (
    "Without a network: collect the packages of CrossModalSegLib/slicer-requirements.txt and "
    "PyTorch in a folder on a computer that has one, as described at the top of that file, and "
    "install them from there. Then press 'Check again'."
)

TORCH_SIZE = "about 0.2 GB to download without an NVIDIA GPU, about 3 GB with one"

BEFORE_ASKING = "Nothing is downloaded before you agree."


def question(packages: Sequence[Requirement], torch: TorchState) -> str:
    """Return what the user is asked before anything is installed."""
    lines = ["These packages would be downloaded and installed into Slicer's Python:", ""]
    if torch != "ready":
        how = "again, as it is damaged, " if torch == "broken" else ""
        lines.append(f"PyTorch, {how}through the PyTorch extension: {TORCH_SIZE}")
    lines += [f"{each.text}: {_size(each.size_mb)}" for each in packages]
    lines += ["", "Nothing that Slicer brings itself is changed. Install them now?"]
    return "\n".join(lines)


def explain(found: Survey, *, failure: str = "", was_interrupted: bool = False) -> str:
    """Return in words what is missing.

    Args:
        found: What is there and what is not.
        failure: Why the last installation failed.
        was_interrupted: Whether the last installation did not come to its end.
    """
    parts = []
    if failure:
        parts.append(f"The last installation failed: {failure}")
    if was_interrupted:
        parts.append("The last installation was interrupted. Press 'Install' to finish it.")
    if found.torch == "broken":
        why = found.failures.get(TORCH_MODULE, "")
        reason = f" ({why})" if why else ""
        parts.append(f"PyTorch is installed, but damaged or too old{reason}: it must be replaced.")
    if wanted := _wanted(found.wanted, found.torch):
        parts.append(f"Models need packages that are not installed yet: {wanted}. {BEFORE_ASKING}")
    return " ".join(parts) or READY


def _wanted(packages: Sequence[Requirement], torch: TorchState) -> str:
    wanted = [f"PyTorch ({TORCH_SIZE})"] if torch == "missing" else []
    if packages:
        names = ", ".join(each.name for each in packages)
        wanted.append(f"{names} ({_size(sum(each.size_mb for each in packages))})")
    return " and ".join(wanted)


def _size(size_mb: float) -> str:
    return f"about {size_mb:.0f} MB" if size_mb >= 1 else "less than 1 MB"
