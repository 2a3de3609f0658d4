"""Names of cases that every file system takes."""

from __future__ import annotations

import hashlib
import unicodedata

_MAX_ID_BYTES = 120
_UNSAFE = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))]
)


def safe_case_id(name: str) -> str:
    """Return a name as a file name that every system takes; safe names stay as they are.

    Letters of all scripts are kept, in Unicode's composed form. Separators, control characters
    and what Windows refuses become "_"; long names are cut and end in a hash.
    """
    composed = unicodedata.normalize("NFC", name)
    kept = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in composed)
    kept = kept.strip(" ").rstrip(".") or "_"
    if kept.startswith(".") or kept.partition(".")[0].lower() in _RESERVED:
        kept = f"_{kept}"
    if len(kept.encode()) > _MAX_ID_BYTES:
        digest = hashlib.sha256(composed.encode()).hexdigest()[:8]
        start = kept.encode()[: _MAX_ID_BYTES - 9].decode(errors="ignore")
        kept = f"{start}-{digest}"
    return kept
