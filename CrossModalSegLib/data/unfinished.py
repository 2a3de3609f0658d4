"""A cohort that is being prepared: what is done survives a cancelled or killed run.

The folder `.NAME.unfinished` stands beside the output until it takes its place. For each case that
is done it holds `done/<id>.json`, with a key of the settings and the files: names, sizes and times.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from CrossModalSegLib.core.config import from_dict, read_json, to_dict, write_json
from CrossModalSegLib.core.errors import ConfigError, StorageError, storage_errors
from CrossModalSegLib.data.adapters.case_files import CaseFiles
from CrossModalSegLib.data.case_preparation import ChannelSamples, PreparedCase
from CrossModalSegLib.data.checks import Finding
from CrossModalSegLib.data.cohort_record import CASES_FOLDER, CohortCase
from CrossModalSegLib.data.cohort_settings import CohortSettings
from CrossModalSegLib.data.output_folders import swap_folders
from CrossModalSegLib.data.split_names import Split
from CrossModalSegLib.data.statistics import IntensitySample

DONE_FOLDER = "done"
_OWNER = "owner"
_KINDS = ("raw", "slices")
_FORMAT = 2


@contextmanager
def unfinished_folder(output: Path) -> Iterator[Path]:
    """Yield the folder of an earlier try, or a new one, that takes the place of `output`.

    When the block fails it stays, unless no case is done in it.

    Raises:
        StorageError: Another process works there; or the disk is full or not writable.
    """
    output = output.absolute()
    folder = output.with_name(f".{output.name}.unfinished")
    with storage_errors(output):
        folder.mkdir(parents=True, exist_ok=True)
    _take(folder)
    try:
        yield folder
        shutil.rmtree(folder / DONE_FOLDER, ignore_errors=True)
        (folder / _OWNER).unlink(missing_ok=True)
        with storage_errors(output):
            swap_folders(folder, output)
    finally:
        (folder / _OWNER).unlink(missing_ok=True)
        if not any(folder.glob(f"{DONE_FOLDER}/*.json")):
            shutil.rmtree(folder, ignore_errors=True)


def case_key(files: CaseFiles, split: Split, settings: CohortSettings) -> str:
    """Return a hash that changes with the settings and with the case's files."""
    stamps = []
    for path in files.files():
        with suppress(OSError):
            stat = path.stat()
            stamps.append((str(path), stat.st_size, stat.st_mtime_ns))
    scheme = to_dict(files.scheme) if files.scheme else None
    labelled = files.label is not None
    content = [_FORMAT, to_dict(settings), files.id, files.subject, split, labelled, scheme, stamps]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def remember(folder: Path, prepared: PreparedCase, key: str) -> None:
    """Note that a case is done.

    Raises:
        StorageError: The disk is full or not writable.
    """
    place = folder / DONE_FOLDER
    with storage_errors(place):
        place.mkdir(exist_ok=True)
        values = {
            f"{kind}_{channel}": getattr(samples, kind).values
            for channel, samples in enumerate(prepared.channels)
            for kind in _KINDS
        }
        np.savez(place / f"{prepared.case.id}.npz", **values)
    content = {
        "key": key,
        "case": to_dict(prepared.case),
        "channels": [
            {kind: _moments(getattr(samples, kind)) for kind in _KINDS}
            for samples in prepared.channels
        ],
        "findings": to_dict(prepared.findings),
    }
    write_json(place / f"{prepared.case.id}.json", content)


def recall(folder: Path, case_id: str, key: str) -> PreparedCase | None:
    """Return a case that an earlier try has done with the same settings and files."""
    place = folder / DONE_FOLDER
    try:
        content = read_json(place / f"{case_id}.json")
        if content.get("key") != key:
            return None
        case = from_dict(CohortCase, content["case"], "case")
        with np.load(place / f"{case_id}.npz", allow_pickle=False) as samples:
            channels = tuple(
                ChannelSamples(*(_sample(moments[k], samples[f"{k}_{n}"]) for k in _KINDS))
                for n, moments in enumerate(content["channels"])
            )
        findings = tuple(from_dict(Finding, entry, "finding") for entry in content["findings"])
    except (ConfigError, OSError, KeyError, TypeError, ValueError):
        return None
    has_arrays = all((folder / CASES_FOLDER / case_id / name).is_file() for name in case.checksums)
    return PreparedCase(case, channels, findings) if has_arrays else None


def forget_others(folder: Path, ids: set[str]) -> None:
    """Remove cases of an earlier try that are not wanted any more."""
    for place in (folder / CASES_FOLDER).glob("*"):
        if place.name not in ids:
            shutil.rmtree(place, ignore_errors=True)


def _take(folder: Path) -> None:
    """Refuse a folder in which a living process works; then it is ours."""
    import psutil

    owner = folder / _OWNER
    with suppress(OSError, ValueError):
        number, started = owner.read_text(encoding="ascii").split()
        with suppress(psutil.Error):
            process = psutil.Process(int(number))
            if int(number) != os.getpid() and f"{process.create_time():.0f}" == started:
                raise StorageError(
                    f"Process {number} is preparing the same cohort.",
                    hint="Wait for it to end, or choose another output.",
                )
    with storage_errors(folder):
        started = f"{psutil.Process().create_time():.0f}"
        owner.write_text(f"{os.getpid()} {started}", encoding="ascii")


def _moments(sample: IntensitySample) -> dict[str, Any]:
    return {k: v for k, v in vars(sample).items() if k != "values"}


def _sample(moments: Any, values: Any) -> IntensitySample:
    return IntensitySample(**moments, values=np.asarray(values, np.float32))
