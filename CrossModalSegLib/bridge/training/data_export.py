"""Data that are no files yet, or lie in a database, on their way to be a data set on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from CrossModalSegLib.bridge.training.data_choice import (
    DicomSeries,
    ScenePairs,
    SceneVolumes,
)
from CrossModalSegLib.bridge.training.dicom_series import SeriesExport, dicom_database
from CrossModalSegLib.bridge.training.scene_export import SceneExport
from CrossModalSegLib.core.errors import CohortError

Work = Callable[[], None]
"""Something that any thread may do."""


class DataExport(Protocol):
    """Makes a data set, step by step."""

    @property
    def root(self) -> Path:
        """What `prepare` is to read."""

    @property
    def count(self) -> int:
        """How many cases there are."""

    @property
    def done(self) -> int:
        """How many are there already."""

    @property
    def is_copied(self) -> bool:
        """Whether nothing is left to do."""

    def step(self, seconds: float) -> Work | None:
        """Do a part, for about so long.

        Returns:
            What another thread is to do before the next step, if there is anything.

        Raises:
            CrossModalSegError: The data cannot be used.
        """

    def without_paths(self, text: str) -> str:
        """Name in a message what users know, not files."""


def export_of(data: ScenePairs | SceneVolumes | DicomSeries, folder: Path) -> DataExport:
    """Begin to make a data set in a folder.

    Raises:
        CrossModalSegError: The data cannot be used.
    """
    if not isinstance(data, DicomSeries):
        return SceneExport(data, folder)
    database = dicom_database()
    if database is None:
        raise CohortError(
            "Slicer's DICOM database is not open.", hint="Open the DICOM module, which opens it."
        )
    return SeriesExport(data.uids, database, folder)
