"""The process that makes the sample scan; needs numpy, scipy and SimpleITK, and nothing else.

Run as `python -m CrossModalSegLib.bridge.sample_phantom FOLDER`; prints events, and ends at once
when it is told to cancel or its standard input ends.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.core.errors import CrossModalSegError, storage_errors
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.data.phantoms.anatomy import Points
from CrossModalSegLib.data.phantoms.cardiac import CardiacModality, make_cardiac_subject
from CrossModalSegLib.data.phantoms.files import subject_seeds
from CrossModalSegLib.data.phantoms.grid import PhantomGrid
from CrossModalSegLib.data.volume_encoding import write_nrrd

IMAGE_NAME, LABELS_NAME = "image.nrrd", "labels.nrrd"
STAGE = "sample"

MODALITY: CardiacModality = "mr_bssfp"
SEED = subject_seeds(0, "sample", 1)[0]
"""Of a person whom no model has seen: groups of seeds share no subject."""

CANCELLED_EXIT_CODE = 130

_STANDARD_INPUT = 0
_READ_BYTES = 4096

Tell = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class TellingGrid(PhantomGrid):
    """A grid that tells how many of its samples were computed.

    Attributes:
        tell: Called with the number that is done and the total.
    """

    tell: Tell

    def chunks(self, affine_ras: Any) -> Iterator[Points]:
        """Yield as `PhantomGrid` does."""
        done, total = 0, math.prod(self.matrix_ijk) * math.prod(self.samples_ijk)
        for points in super().chunks(affine_ras):
            yield points
            done += points.shape[1]
            self.tell(done, total)


def sample_grid(tell: Tell) -> PhantomGrid:
    """Return a coronal, slightly oblique grid, finer than those that models are trained on."""
    return TellingGrid(
        matrix_ijk=(128, 128, 64),
        spacing_mm=(1.5, 1.5, 2.0),
        orientation="LIP",
        tilt_degrees=(5.0, -3.0, 2.0),
        tell=tell,
    )


def main(arguments: list[str]) -> int:
    """Make the sample; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--progress", default="json", choices=["json"])
    folder = parser.parse_args(arguments).folder
    threading.Thread(target=_end_with_input, daemon=True).start()
    reporter = Reporter(sinks=[_print_event])
    try:
        make_sample(folder, reporter)
    except CrossModalSegError as error:
        reporter.error(error)
        return 1
    reporter.done([folder / IMAGE_NAME, folder / LABELS_NAME], {})
    return 0


def make_sample(folder: Path, reporter: Reporter) -> None:
    """Write the sample scan and its labels.

    Raises:
        StorageError: The disk is full or not writable.
    """
    reporter.stage(STAGE)
    grid = sample_grid(lambda done, total: reporter.progress(STAGE, done, total))
    subject = make_cardiac_subject(MODALITY, SEED, grid=grid)
    with storage_errors(folder):
        write_nrrd(subject.image, folder / IMAGE_NAME, compressed=False)
        write_nrrd(subject.labels, folder / LABELS_NAME, compressed=False)


def _print_event(event: Event) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    # Not by sys.stdin: a thread that waits there keeps Python from ending in peace.
    while content := os.read(_STANDARD_INPUT, _READ_BYTES):
        if b'"cancel"' in content:
            break
    os._exit(CANCELLED_EXIT_CODE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
