"""What is known of an installation, kept between starts of Slicer.

One file for each Python, in the user's folder: Slicer's versions share that folder, but not their
packages.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from CrossModalSegLib.bridge.requirements import Group
from CrossModalSegLib.bundle.library import user_folder

RECORD_VERSION = 1

State = Literal["unknown", "installing", "failed", "tried"]
"""Nothing is known; begun and not ended; ended without success; all imports were tried."""


@dataclass(frozen=True, kw_only=True)
class InstallationNote:
    """What was found out last.

    Attributes:
        state: How far it went.
        versions: Of the packages that were tried.
        failures: Modules that could not be imported, and why.
        message: Why the last installation failed.
    """

    state: State = "unknown"
    versions: Mapping[str, str | None] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


class InstallationRecord:
    """Reads and writes the note; a folder that cannot be written only forgets.

    Args:
        group: What the packages are for.
        folder: Where; by default in the user's folder.
    """

    def __init__(self, group: Group, folder: Path | None = None) -> None:
        place = f"{platform.python_version()} {sys.prefix} {group}"
        name = hashlib.sha256(place.encode("utf-8")).hexdigest()[:16]
        self.path = (folder or user_folder() / "installations") / f"{name}.json"

    def read(self) -> InstallationNote:
        """Return the note; an empty one if there is none that can be read."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            if found.pop("v") != RECORD_VERSION or found["state"] not in get_args(State):
                return InstallationNote()
            return InstallationNote(**found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return InstallationNote()

    def write(self, note: InstallationNote) -> None:
        """Keep a note instead of the former one."""
        text = json.dumps({"v": RECORD_VERSION, **asdict(note)}, indent=1)
        unfinished = self.path.with_suffix(".new")
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, self.path)  # noqa: PTH105  (atomic, also over a former one)
