"""Series of Slicer's DICOM database: what there is, and chosen ones as a data set on the disk."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.core.errors import CohortError, InputFileError, storage_errors
from CrossModalSegLib.data.case_ids import safe_case_id

IMAGE_MODALITIES = frozenset({"CT", "MR"})
PATIENT_ID_TAG, MODALITY_TAG = "0010,0020", "0008,0060"


@dataclass(frozen=True, kw_only=True)
class SeriesEntry:
    """One series, as people choose it.

    Attributes:
        uid: Of the series.
        patient: Patient ID, or the name where there is none.
        study: Description of the study.
        description: Of the series.
        modality: "CT" or "MR".
        files: How many there are.
    """

    uid: str
    patient: str
    study: str
    description: str
    modality: str
    files: int

    @property
    def title(self) -> str:
        """What tells it from others."""
        parts = (self.study, self.description or "no description", f"{self.files} files")
        return f"{self.patient}: {', '.join(part for part in parts if part)}"


def dicom_database() -> Any:
    """Return Slicer's DICOM database; None if it is not open."""
    database = getattr(import_slicer(), "dicomDatabase", None)
    return database if database is not None and database.isOpen else None


class SeriesListing:
    """Reads the database a few series at a time, since it may hold thousands.

    Args:
        database: A `ctkDICOMDatabase`.
    """

    def __init__(self, database: Any) -> None:
        self.entries: list[SeriesEntry] = []
        self._reader = _read_series(database)

    def read(self, seconds: float) -> bool:
        """Read for about so long, one series at least; return whether everything was read."""
        end = time.perf_counter() + seconds
        for entry in self._reader:
            if entry is not None:
                self.entries.append(entry)
            if time.perf_counter() >= end:
                return False
        return True


def _read_series(database: Any) -> Iterator[SeriesEntry | None]:
    """Yield the image series, and None for what is none, so that the reader can breathe."""
    for patient in database.patients():
        name = str(database.nameForPatient(patient) or "")
        for study in database.studiesForPatient(patient):
            title = str(database.descriptionForStudy(study) or "")
            for uid in database.seriesForStudy(study):
                files = database.filesForSeries(uid)
                modality = str(database.fileValue(files[0], MODALITY_TAG) or "") if files else ""
                if modality not in IMAGE_MODALITIES:
                    yield None
                    continue
                person = str(database.fileValue(files[0], PATIENT_ID_TAG) or "").strip()
                yield SeriesEntry(
                    uid=str(uid),
                    patient=person or name.strip() or f"patient {patient}",
                    study=title,
                    description=str(database.descriptionForSeries(uid) or ""),
                    modality=modality,
                    files=len(files),
                )


class SeriesExport:
    """Chosen series as a folder for each patient, the layout that `prepare` knows.

    Files are linked where the disk can do that, else copied. The database is asked on the thread
    that owns it.

    Args:
        uids: Of the series.
        database: A `ctkDICOMDatabase`.
        folder: Exists, and becomes the data set.
    """

    def __init__(self, uids: Sequence[str], database: Any, folder: Path) -> None:
        self.root = folder
        self.count = len(uids)
        self._database = database
        self._pending = deque(uids)
        self._names: dict[str, str] = {}

    @property
    def done(self) -> int:
        """How many series there are already."""
        return self.count - len(self._pending)

    @property
    def is_copied(self) -> bool:
        """Whether all are there."""
        return not self._pending

    def step(self, seconds: float) -> Callable[[], None] | None:
        """Look up the files of one series; return what links them, for another thread.

        Raises:
            CohortError: Several series are of one patient, who would be several subjects then.
            InputFileError: A series has no files any more.
        """
        del seconds  # to look up one takes milliseconds
        if not self._pending:
            return None
        uid = self._pending.popleft()
        files = [Path(path) for path in self._database.filesForSeries(uid)]
        if not files:
            raise InputFileError(
                f"The DICOM database has no files of the series {uid} any more.",
                hint="Import it again, or choose another one.",
            )
        patient = str(self._database.fileValue(str(files[0]), PATIENT_ID_TAG) or "").strip()
        name = safe_case_id(patient or uid)
        if name.casefold() in self._names:
            raise CohortError(
                f"Several series of patient {patient!r} are chosen; expected one.",
                hint="Choose one of them. Or load them and choose volumes of the scene, which "
                "keep their patient.",
            )
        self._names[name.casefold()] = name
        return partial(self._write, name, files)

    def without_paths(self, text: str) -> str:
        """Return a message as it is: cases are named after their patients."""
        return text

    def _write(self, name: str, files: Sequence[Path]) -> None:
        """Make the folder of a case; any thread may."""
        with storage_errors(self.root):
            (self.root / name).mkdir()
        for number, path in enumerate(files):
            if not path.is_file():
                raise InputFileError(
                    f"{path} of the DICOM database does not exist any more.",
                    hint="Connect the disk, or import the series again.",
                )
            _link(path, self.root / name / f"{number:05d}.dcm")


def _link(path: Path, link: Path) -> None:
    with suppress(OSError):
        os.link(path, link)
        return
    with suppress(OSError, NotImplementedError):
        link.symlink_to(path)
        return
    with storage_errors(link):
        shutil.copyfile(path, link)
