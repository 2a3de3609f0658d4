"""A temporary folder that several parties work in, and that the last of them removes."""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from pathlib import Path


class RunFolder:
    """Exists until everybody who holds it has let go, or the program ends.

    Args:
        parent: Where it is made; None: the system's place for temporary files.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, parent: Path | None = None) -> None:
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="crossmodalseg-run-", dir=parent))
        self._holders: set[str] = set()
        self._lock = threading.Lock()
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def hold(self, holder: str) -> None:
        """Keep the folder until `holder` lets go."""
        with self._lock:
            self._holders.add(holder)

    def release(self, holder: str) -> None:
        """Let go; who does not hold may do so too. Any thread may call."""
        with self._lock:
            self._holders.discard(holder)
            is_last = not self._holders
        if is_last:
            self._remove()
