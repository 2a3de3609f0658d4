"""The files by which a comparison is handed over to commands of the library."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.run_folder import RunFolder
from CrossModalSegLib.bridge.volume_export import write_exchange_file
from CrossModalSegLib.core.config import write_json
from CrossModalSegLib.core.errors import storage_errors
from CrossModalSegLib.core.tasks import TASKS, Task, task_to_dict
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.case_ids import safe_case_id
from CrossModalSegLib.data.volume_encoding import write_nrrd

METHODS, REFERENCES, IMAGES = "methods", "references", "images"
SUFFIX = ".nrrd"


@dataclass(frozen=True, eq=False)
class StagedCase:
    """One comparison and the names by which files know it.

    Attributes:
        comparison: The nodes.
        name: Of the case.
        keys: Of the methods, in their order.
    """

    comparison: Comparison
    name: str
    keys: tuple[str, ...]

    @property
    def scan(self) -> str:
        """Name of the volume for people."""
        return str(self.comparison.volume.GetName())

    @property
    def labels(self) -> dict[str, str]:
        """Names of the methods for people."""
        methods = self.comparison.methods
        return {key: shown.label for key, shown in zip(self.keys, methods, strict=True)}


class StagedFiles:
    """A temporary folder with label maps by method, references, images, task and list of pairs.

    Args:
        comparisons: Of the same task, one for each volume.

    Raises:
        StorageError: The folder cannot be made.
    """

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        with storage_errors(tempfile.gettempdir()):
            self._folder = RunFolder()
            self.path = self._folder.path
            for name in (METHODS, REFERENCES, IMAGES):
                (self.path / name).mkdir()
        self.task: Task = comparisons[0].task
        names = distinct([str(each.volume.GetName() or "volume") for each in comparisons])
        self.cases = tuple(
            StagedCase(each, name, tuple(distinct([shown.name for shown in each.methods])))
            for each, name in zip(comparisons, names, strict=True)
        )

    @property
    def scored(self) -> tuple[StagedCase, ...]:
        """Cases with a reference."""
        return tuple(case for case in self.cases if case.comparison.reference is not None)

    @property
    def task_argument(self) -> str:
        """What `--task` is to be."""
        is_known = TASKS.get(self.task.name) == self.task
        return self.task.name if is_known else str(self.path / "task.json")

    @property
    def manifest(self) -> Path:
        """List of pairs, as `evaluate` reads it."""
        return self.path / "pairs.csv"

    @property
    def scores(self) -> Path:
        """Folder for scores."""
        return self.path / "scores"

    def method_path(self, case: StagedCase, key: str) -> Path:
        """Return the label map of a method."""
        return self.path / METHODS / key / f"{case.name}{SUFFIX}"

    def reference_path(self, case: StagedCase) -> Path:
        """Return the label map of the reference."""
        return self.path / REFERENCES / f"{case.name}{SUFFIX}"

    def image_path(self, case: StagedCase) -> Path:
        """Return the scan."""
        return self.path / IMAGES / f"{case.name}{SUFFIX}"

    def write_labels(self, path: Path, labels: NDArray[np.uint8], grid: Volume) -> None:
        """Write a label map; any thread may.

        Raises:
            StorageError: The disk is full or not writable.
        """
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
            write_nrrd(Volume(labels, grid.affine_ras), path)  # mostly zeros: small

    def write_image(self, path: Path, image: Volume) -> None:
        """Write a scan; any thread may.

        Raises:
            StorageError: The disk is full or not writable.
        """
        write_exchange_file(image, path)

    def write_lists(self) -> None:
        """Write the task and the list of pairs, when all label maps are there.

        Raises:
            StorageError: The disk is full or not writable.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("method", "case", "prediction", "reference"))
        for key in self.keys:
            for case in self.scored:  # one that lacks a method has a file that is missing
                paths = self.method_path(case, key), self.reference_path(case)
                files = (path.relative_to(self.path).as_posix() for path in paths)
                writer.writerow((key, case.name, *files))
        with storage_errors(self.manifest):
            self.manifest.write_text(text.getvalue(), encoding="utf-8", newline="")
        write_json(self.path / "task.json", task_to_dict(self.task))

    @property
    def keys(self) -> tuple[str, ...]:
        """Methods of all cases, each once."""
        return tuple(dict.fromkeys(key for case in self.cases for key in case.keys))

    @property
    def labels(self) -> dict[str, str]:
        """Names of methods for people."""
        return {key: label for case in self.cases for key, label in case.labels.items()}

    def without_paths(self, text: str) -> str:
        """Name nodes in a message, not the files by which they were handed over."""
        for case in self.cases:
            for key, label in case.labels.items():
                named = f"The segmentation by {label!r} of {case.scan!r}"
                text = text.replace(str(self.method_path(case, key)), named)
            reference = f"The reference of {case.scan!r}"
            text = text.replace(str(self.reference_path(case)), reference)
            text = text.replace(str(self.image_path(case)), f"The volume {case.scan!r}")
        return text

    def close(self) -> None:
        """Remove everything."""
        self._folder.release("comparison")


def distinct(names: Sequence[str]) -> list[str]:
    """Return names as files and options take them, capitals or not told apart."""
    found: list[str] = []
    taken: set[str] = set()
    for name in names:
        wished = safe_case_id(name.replace("=", "_").lstrip("-"))
        free, number = wished, 2
        while free.casefold() in taken:
            free, number = f"{wished}-{number}", number + 1
        taken.add(free.casefold())
        found.append(free)
    return found
