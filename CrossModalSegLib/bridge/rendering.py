"""Draw pictures in a process of their own: a failing OpenGL ends that process, not the caller's."""

from __future__ import annotations

import functools
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from CrossModalSegLib.bridge.case_panel import CasePanel
from CrossModalSegLib.bridge.panels import draw_case_panel
from CrossModalSegLib.core.config import from_dict, read_json, to_dict, write_json
from CrossModalSegLib.core.errors import OutputExistsError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import load_task

WINDOW_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"
"""Environment variable by which VTK is told which kind of window to make."""

_PROBE_SECONDS = 60.0
_POLL_SECONDS = 0.2

Drawer = Literal["slicer", "matplotlib"]


class RenderWindow(NamedTuple):
    """How Slicer's views can be drawn here.

    Attributes:
        name: VTK's class of window, "" for the platform's own; None if none works.
        reason: What works, or why nothing does.
        hint: What would help.
    """

    name: str | None
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class PanelJob:
    """A picture to be drawn, all of it by file.

    Attributes:
        image: Volume in the background.
        segmentations: Label maps by the name of their column.
        reference: Label map of experts.
        task: Name or TOML file.
        output: PNG to write.
        title: Heading.
        captions: Small text below a column's name.
        window: Intensities shown as black and as white; by default those of what is seen.
        tile_px: Width and height of each view.
        overwrite: Whether `output` may be replaced.
    """

    image: Path
    segmentations: Mapping[str, Path]
    task: str
    output: Path
    reference: Path | None = None
    title: str = ""
    captions: Mapping[str, str] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    tile_px: int = 300
    overwrite: bool = False


class DrawnPanel(NamedTuple):
    """A picture that was made, and what drew it."""

    path: Path
    drawn_by: Drawer


def is_rendering_available() -> tuple[bool, str]:
    """Tell whether Slicer's views can be drawn here, and how or why not; tried in a process."""
    window = find_render_window()
    return window.name is not None, f"{window.reason} {window.hint}".strip()


@functools.cache
def find_render_window() -> RenderWindow:
    """Try the kinds of window in turn and return the first that draws; tried once a process."""
    failures = []
    for name in _candidates():
        failure = _probe(name)
        if not failure:
            return RenderWindow(name, f"{name or 'The window of the system'} draws.")
        failures.append(f"{name or 'the window of the system'} {failure}")
    return RenderWindow(None, f"{'; '.join(failures)}.", _advice())


def rendering_environment(window_name: str) -> dict[str, str]:
    """Return this process's environment, with VTK told which window to use."""
    environment = {name: text for name, text in os.environ.items() if name != WINDOW_VARIABLE}
    library_folder = str(Path(__file__).resolve().parents[2])
    paths = [library_folder, *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    environment["PYTHONUTF8"] = "1"
    if window_name:
        environment[WINDOW_VARIABLE] = window_name
    return environment


def render_panels(
    jobs: Sequence[PanelJob], reporter: Reporter, *, seconds_per_panel: float = 60.0
) -> list[DrawnPanel]:
    """Draw pictures by Slicer's displayable managers, or plainer ones where these do not work.

    One child process draws all of them. What it does not finish, because it fails, crashes or
    takes too long, is drawn with matplotlib here, and a warning says so.

    Raises:
        OutputExistsError: An output is there and may not be overwritten.
        Cancelled: The reporter's job was cancelled; the child is stopped.
        CrossModalSegError: An input file cannot be drawn by either way.
    """
    for job in jobs:
        if job.output.exists() and not job.overwrite:
            raise OutputExistsError(job.output)
    reporter.stage("pictures", len(jobs))
    window = find_render_window() if jobs else RenderWindow(None, "nothing to draw")
    reason, finished = window.reason, set[int]()
    if window.name is not None:
        budget = _PROBE_SECONDS + seconds_per_panel * len(jobs)
        reason, finished = _render_in_child(jobs, window.name, budget, reporter)
    drawn = [DrawnPanel(job.output, "slicer") for job in jobs]
    missing = [index for index in range(len(jobs)) if index not in finished]
    if missing:
        reporter.warning(
            "rendering",
            f"{len(missing)} of {len(jobs)} pictures are drawn with matplotlib, not by 3D "
            f"Slicer's views: {reason}",
            hint=f"Scores and segmentations are not affected. {window.hint}".strip(),
        )
    for count, index in enumerate(missing, start=len(finished) + 1):
        reporter.check_cancelled()
        draw_case_panel(load_panel(jobs[index]), jobs[index].output, reason, overwrite=True)
        drawn[index] = DrawnPanel(jobs[index].output, "matplotlib")
        reporter.progress("pictures", count, len(jobs))
    return drawn


def load_panel(job: PanelJob) -> CasePanel:
    """Read what a picture shows from its files.

    Raises:
        CrossModalSegError: A file is missing or does not fit the task.
    """
    from CrossModalSegLib.data.volume_files import read_image, read_labels

    task = load_task(job.task)
    return CasePanel(
        image=read_image(job.image),
        segmentations={
            name: read_labels(path, task=task) for name, path in job.segmentations.items()
        },
        task=task,
        reference=None if job.reference is None else read_labels(job.reference, task=task),
        title=job.title,
        captions=job.captions,
        window=job.window,
        tile_px=job.tile_px,
    )


def read_jobs(path: Path) -> list[PanelJob]:
    """Read the file that a parent wrote for its child."""
    return [from_dict(PanelJob, job, str(path)) for job in read_json(path)["jobs"]]


def _render_in_child(
    jobs: Sequence[PanelJob], window_name: str, budget_seconds: float, reporter: Reporter
) -> tuple[str, set[int]]:
    """Return why the child stopped short, if it did, and the indices of what it finished."""
    with tempfile.TemporaryDirectory(prefix="crossmodalseg-pictures-") as folder:
        job_file, log = Path(folder) / "jobs.json", Path(folder) / "log.txt"
        write_json(job_file, {"jobs": to_dict(list(jobs))})
        with log.open("wb") as log_stream:
            child = subprocess.Popen(
                [sys.executable, "-m", "CrossModalSegLib.bridge.render_job", str(job_file)],
                env=rendering_environment(window_name),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log_stream,
            )
        done_file = finished_file(job_file)
        try:
            reason = _wait(child, done_file, len(jobs), budget_seconds, reporter)
        finally:
            child.kill()
            child.wait()
        said = _last_line(log.read_text(encoding="utf-8", errors="replace"))
        return f"{reason}. {said}".strip(), _finished(done_file)


def _wait(
    child: subprocess.Popen[bytes],
    done_file: Path,
    total: int,
    budget_seconds: float,
    reporter: Reporter,
) -> str:
    """Wait for the child, telling of its progress; return how it ended."""
    known, end = 0, time.monotonic() + budget_seconds
    while time.monotonic() < end:
        reporter.check_cancelled()
        try:
            code = child.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            code = None
        count = len(_finished(done_file))
        if count > known:
            reporter.progress("pictures", count, total)
            known = count
        if code is not None:
            return f"the drawing process ended with code {code}"
    return f"the drawing process took longer than {budget_seconds:.0f} s"


def finished_file(job_file: Path) -> Path:
    """Return the file to which the child adds the index of each picture that it has made."""
    return job_file.with_suffix(".finished")


def _finished(path: Path) -> set[int]:
    if not path.exists():
        return set()
    return {int(line) for line in path.read_text(encoding="utf-8").split()}


def _candidates() -> list[str]:
    """Return the kinds of window to try, the one that asks for least first."""
    chosen = os.environ.get(WINDOW_VARIABLE)
    first = [chosen] if chosen else []
    if platform.system() != "Linux":
        return [*first, ""]
    others = ["vtkEGLRenderWindow", "vtkOSOpenGLRenderWindow"]
    if os.environ.get("DISPLAY"):
        others.append("vtkXOpenGLRenderWindow")
    return [*first, *(name for name in others if name != chosen)]


def _probe(window_name: str) -> str:
    """Return why a kind of window does not draw, "" if it does."""
    command = [sys.executable, "-m", "CrossModalSegLib.bridge.render_job", "--probe"]
    try:
        result = subprocess.run(
            command,
            env=rendering_environment(window_name),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"gives no answer within {_PROBE_SECONDS:.0f} s"
    if result.returncode == 0:
        return ""
    said = _last_line(result.stderr.decode("utf-8", errors="replace"))
    if result.returncode == 1 and said:
        return f"draws nothing ({said.rstrip('.')})"
    # VTK crashes where OpenGL is missing, and what it says before that is about its last resort.
    return "finds no OpenGL"


def _last_line(text: str) -> str:
    """Return what a process said last, without terminal colours and VTK's marks of time."""
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()]
    return re.sub(r"^.*(WARN|ERR)\|", "", lines[-1]).strip() if lines else ""


def _advice() -> str:
    if platform.system() == "Linux":
        return (
            "For views by 3D Slicer install the packages slicer-core and vtk for Python, and of "
            "the system libegl1 and libgl1-mesa-dri (Debian, Ubuntu) or mesa-libEGL and "
            "mesa-dri-drivers (Fedora); no screen is needed."
        )
    return "For views by 3D Slicer install the packages slicer-core and vtk for Python."
