"""The process that draws: `python -m CrossModalSegLib.bridge.render_job JOBS.json | --probe`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from CrossModalSegLib.bridge.panels import render_case_panel
from CrossModalSegLib.bridge.rendering import finished_file, load_panel, read_jobs
from CrossModalSegLib.bridge.scene import import_vtk
from CrossModalSegLib.core.errors import CrossModalSegError, MissingDependencyError


def main(arguments: Sequence[str]) -> int:
    """Draw every picture of a job file, or try whether drawing works.

    Returns:
        0 if all went well; 1 with a line on standard error if not.
    """
    try:
        if list(arguments) == ["--probe"]:
            probe()
        else:
            draw(Path(arguments[0]))
    except CrossModalSegError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def draw(job_file: Path) -> None:
    """Draw every picture of a job file and note each one that is finished."""
    for index, job in enumerate(read_jobs(job_file)):
        render_case_panel(load_panel(job), job.output, overwrite=job.overwrite)
        with finished_file(job_file).open("a", encoding="utf-8") as notes:
            notes.write(f"{index}\n")


def probe() -> None:
    """Draw a red window and read it back.

    Raises:
        MissingDependencyError: OpenGL draws nothing, or Slicer's libraries are missing.
    """
    vtk = import_vtk()
    from CrossModalSegLib.bridge.views import grab

    renderer = vtk.vtkRenderer()
    renderer.SetBackground(1.0, 0.0, 0.0)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(32, 32)
    window.AddRenderer(renderer)
    picture = grab(window)
    if picture.shape != (32, 32, 3) or not np.all(picture == (255, 0, 0)):
        raise MissingDependencyError(
            f"{window.GetClassName()} drew {picture.reshape(-1, 3)[:1].tolist()}, expected red."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
