"""A scan to try things with: no download, nobody's data. Made by another process in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.command_job import CommandJob
from CrossModalSegLib.bridge.modality_suggestion import MODALITY_ATTRIBUTE
from CrossModalSegLib.bridge.processes import Launch, launch_process, python_executable
from CrossModalSegLib.bridge.reported_errors import reported_error
from CrossModalSegLib.bridge.result_placement import place_segments
from CrossModalSegLib.bridge.result_views import show_volume
from CrossModalSegLib.bridge.run_folder import RunFolder
from CrossModalSegLib.bridge.run_progress import RunProgress
from CrossModalSegLib.bridge.run_request import State
from CrossModalSegLib.bridge.scene import import_slicer
from CrossModalSegLib.bridge.volumes import set_window, volume_to_node
from CrossModalSegLib.core.errors import CrossModalSegError, RunError, storage_errors
from CrossModalSegLib.core.events import Event
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.nrrd_reading import read_nrrd

SAMPLE_NAME = "Sample cardiac MR (phantom)"
SAMPLE_MODALITY = "mr_bssfp"
SAMPLE_TASK = TASKS["cardiac"]
IMAGE_NAME, LABELS_NAME = "image.nrrd", "labels.nrrd"

BRIGHT_PERCENTILE = 99.5
"""Of the intensities; shown as white."""

_MESSAGE = "Making a sample scan"
_PROCESS = "CrossModalSegLib.bridge.sample_phantom"


@dataclass(frozen=True, kw_only=True, eq=False)
class SampleOutcome:
    """How the making of a sample ended.

    Attributes:
        state: "done", "cancelled" or "failed".
        volume_node: The scan.
        segmentation_node: What is really there, if that was asked for.
        error: Why it failed.
        seconds: Since the start.
    """

    state: State
    volume_node: Any = None
    segmentation_node: Any = None
    error: CrossModalSegError | None = None
    seconds: float = 0.0


class SampleJob:
    """Makes a cardiac MR phantom in another process and puts it into the scene.

    Args:
        on_progress: Called from `poll`.
        on_end: Called from `poll`, once.
        scene: By default `slicer.mrmlScene`.
        launch: Starts a process.
    """

    def __init__(
        self,
        *,
        on_progress: Callable[[RunProgress], None],
        on_end: Callable[[SampleOutcome], None],
        scene: Any = None,
        launch: Launch = launch_process,
    ) -> None:
        self._on_progress = on_progress
        self._on_end = on_end
        self._scene = scene
        self._launch = launch
        self._command: CommandJob | None = None
        self._with_reference = False
        self._started = 0.0

    @property
    def is_active(self) -> bool:
        """Whether the sample was asked for and its end was not told yet."""
        return self._command is not None

    def start(self, *, with_reference: bool = False) -> None:
        """Begin; nothing is waited for.

        Args:
            with_reference: Whether to add what is really there, as a segmentation.

        Raises:
            RunError: A sample is being made already.
            StorageError: No temporary folder can be made.
        """
        if self.is_active:
            raise RunError(
                "A sample is being made already; expected none.", hint="Wait until it is there."
            )
        with storage_errors("The folder for temporary files"):
            self._folder = RunFolder()
        self._folder.hold("sample")
        self._with_reference = with_reference
        self._started = time.monotonic()
        self._command = CommandJob(
            [str(self._folder.path)],
            self._hear,
            command=[python_executable(), "-u", "-m", _PROCESS],
            launch=self._launch,
        )
        self._on_progress(RunProgress(fraction=0.0, stage="sample", message=_MESSAGE))
        self._command.start()

    def poll(self) -> None:
        """Let events arrive; the sample is put into the scene here."""
        if self._command is not None:
            self._command.poll()

    def cancel(self) -> None:
        """Stop; the outcome comes from a later `poll`, and the scene stays as it was."""
        if self._command is not None:
            self._command.cancel()

    def shutdown(self) -> None:
        """Stop now, and tell it."""
        if self._command is not None:
            self._command.shutdown(seconds=1.0)

    def _hear(self, event: Event) -> None:
        if event["event"] == "progress":
            self._tell_progress(event)
        elif event["event"] == "error":
            self._end("failed", error=reported_error(event))
        elif event["event"] == "cancelled":
            self._end("cancelled")
        elif event["event"] == "done":
            self._place()

    def _tell_progress(self, event: Event) -> None:
        share = event["done"] / event["total"] if event["total"] else 0.0
        progress = RunProgress(
            fraction=0.95 * share,
            stage="sample",
            message=_MESSAGE,
            eta_seconds=event.get("eta_seconds"),
        )
        self._on_progress(progress)

    def _place(self) -> None:
        scene = import_slicer().mrmlScene if self._scene is None else self._scene
        try:
            volume_node, segmentation_node = place_sample(
                self._folder.path, scene, with_reference=self._with_reference
            )
        except CrossModalSegError as error:
            self._end("failed", error=error)
            return
        self._on_progress(RunProgress(fraction=1.0, stage="sample", message=_MESSAGE))
        self._end("done", volume_node=volume_node, segmentation_node=segmentation_node)

    def _end(self, state: State, **found: Any) -> None:
        self._command = None
        self._folder.release("sample")
        seconds = time.monotonic() - self._started
        self._on_end(SampleOutcome(state=state, seconds=seconds, **found))


def place_sample(folder: Path, scene: Any, *, with_reference: bool) -> tuple[Any, Any]:
    """Put the sample that is in a folder into a scene and show it.

    Returns:
        The volume node, and the segmentation node of the reference or None.

    Raises:
        InputFileError: The sample is not there or damaged.
    """
    image = read_nrrd(folder / IMAGE_NAME)
    labels = read_nrrd(folder / LABELS_NAME) if with_reference else None
    node = volume_to_node(image, scene, scene.GenerateUniqueName(SAMPLE_NAME))
    node.SetAttribute(MODALITY_ATTRIBUTE, SAMPLE_MODALITY)
    set_window(node, 0.0, float(np.percentile(image.array_kji, BRIGHT_PERCENTILE)))
    show_volume(node)
    if labels is None:
        return node, None
    name = scene.GenerateUniqueName(f"{node.GetName()} - reference")
    return node, place_segments(labels, SAMPLE_TASK, node, name)
