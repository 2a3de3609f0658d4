"""How fast linked views of a comparison scroll, with everything drawn over them.

    python Testing/benchmarks/compare_views_speed.py
    python Testing/benchmarks/compare_views_speed.py --views 8 --size 600

Slicer's own displayable managers draw every view, without a screen: slice, the method's structures,
the reference's outlines and the errors. Scrolling goes through the link between views, as with
the mouse. What the application adds (its window, the exchange of buffers) is not in the numbers.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from CrossModalSegLib.bridge.comparison.comparison_grid import ComparisonGrid  # noqa: E402
from CrossModalSegLib.bridge.comparison.comparison_layout import Arrangement  # noqa: E402
from CrossModalSegLib.bridge.comparison.method_views import Look  # noqa: E402
from CrossModalSegLib.bridge.rendering import WINDOW_VARIABLE, find_render_window  # noqa: E402
from CrossModalSegLib.bridge.scene import headless_scene  # noqa: E402
from CrossModalSegLib.bridge.views import SliceView  # noqa: E402
from CrossModalSegLib.core.volume import Volume  # noqa: E402
from Testing.scene.compared import add_volume, compare, linking, settle, shifted  # noqa: E402

OFFSET_FLAG = 1
"""The interaction that moves a slice (vtkMRMLSliceNode::SliceToRASFlag)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Scroll and print frames a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--views", type=int, default=6)
    parser.add_argument("--size", type=int, default=400, help="pixels along each side of a view")
    parser.add_argument("--shape", type=int, nargs=3, default=(155, 240, 240), metavar="N")
    parser.add_argument("--frames", type=int, default=40)
    options = parser.parse_args(arguments)
    os.environ[WINDOW_VARIABLE] = find_render_window().name or ""
    seconds = scroll(options.views, options.size, tuple(options.shape), options.frames)
    sys.stdout.write(
        f"{options.views} views of {options.size} pixels: median {1 / np.median(seconds):.1f} "
        f"frames/s, slowest frame {max(seconds):.3f} s ({options.frames} frames)\n"
    )


def scroll(num_views: int, size_px: int, shape_kji: tuple[int, ...], frames: int) -> list[float]:
    """Return the seconds of wall-clock time that each frame of all views takes."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape_kji), indexing="ij")
    radius = np.sqrt(sum(np.square(axis) for axis in axes))
    labels = np.zeros(shape_kji, np.uint8)
    for value, limit in enumerate((0.8, 0.6, 0.45, 0.3), start=1):
        labels[radius < limit] = value
    grid = Volume(labels, np.eye(4))
    with headless_scene() as session:
        link = linking(session)
        usual = SliceView(session, "Red")  # where the segmentations are seen as the user set them
        comparison = compare(
            add_volume(session, grid), [shifted(grid, 2 * n) for n in range(num_views)], grid
        )
        shown = ComparisonGrid(session.mrml)
        shown.show(comparison, Arrangement(), Look(with_errors=True))
        views = [SliceView(session, column.name) for column in shown.columns]
        for view in views:
            view.node.SetDimensions(size_px, size_px, 1)
        settle(shown)
        for view in views:
            view.render_as_set(size_px)
        logic = session.application.GetSliceLogic(views[0].node)
        seconds = []
        for offset in np.linspace(0.25, 0.75, frames) * shape_kji[0]:
            began = time.perf_counter()
            logic.StartSliceNodeInteraction(OFFSET_FLAG)
            logic.SetSliceOffset(float(offset))
            logic.EndSliceNodeInteraction()
            for view in views:
                view.window.Render()
            seconds.append(time.perf_counter() - began)
        shown.leave()
        del link, usual
    return seconds


if __name__ == "__main__":
    main()
