"""Scenes and views by the real libraries of 3D Slicer, without the application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from CrossModalSegLib.bridge.rendering import WINDOW_VARIABLE, find_render_window
from CrossModalSegLib.bridge.scene import HeadlessScene, headless_scene, import_slicer
from CrossModalSegLib.core.volume import Volume

if TYPE_CHECKING:
    from Testing.scene.harness.session import SlicerApplication

GRIDS = ("plain", "flipped", "oblique", "anisotropic")

LANDMARKS_RAS = {
    1: (-24.0, 10.0, -20.0),
    2: (22.0, -14.0, -4.0),
    3: (-6.0, -20.0, 22.0),
    4: (20.0, 18.0, 26.0),
}
"""Centre of each structure: no two alike along any axis, no mirror image of one another."""

LANDMARK_RADIUS_MM = 9.0


@pytest.fixture(autouse=True)
def vtk_errors_fail_the_test(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Fail on what VTK reports: errors go to standard error and nowhere else."""
    yield
    said = capfd.readouterr().err
    errors = [line for line in said.splitlines() if "ERR|" in line or "FATL|" in line]
    assert not errors, "VTK reported:\n" + "\n".join(errors)


@pytest.fixture
def session() -> Iterator[HeadlessScene]:
    with headless_scene() as session:
        yield session


@pytest.fixture
def slicer_application() -> Iterator[SlicerApplication]:
    """Slicer with windows nobody sees: load a module into it and press its buttons."""
    from Testing.scene.harness import session

    with session.slicer_application() as application:
        yield application


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip where OpenGL cannot draw without a screen; missing Slicer libraries are a failure."""
    import_slicer()
    window = find_render_window()
    if window.name is None:
        pytest.skip(f"Views of 3D Slicer cannot be drawn here: {window.reason}")
    monkeypatch.setenv(WINDOW_VARIABLE, window.name)


@pytest.fixture
def view_session(rendering: None, session: HeadlessScene) -> HeadlessScene:  # noqa: ARG001
    return session


@pytest.fixture(params=GRIDS)
def grid(request: pytest.FixtureRequest) -> Volume:
    """An empty grid of about 100 mm around the origin of RAS."""
    return make_grid(request.param)


@pytest.fixture
def plain_grid() -> Volume:
    return make_grid("plain")


@pytest.fixture
def labels(grid: Volume) -> Volume:
    """A ball for each landmark."""
    return landmarks(grid)


@pytest.fixture
def plain_labels(plain_grid: Volume) -> Volume:
    return landmarks(plain_grid)


@pytest.fixture
def centres_ras() -> dict[int, tuple[float, float, float]]:
    return LANDMARKS_RAS


def make_grid(name: str) -> Volume:
    spacing_mm, directions, shape_kji = {
        "plain": ((2.0, 2.0, 2.0), np.eye(3), (50, 52, 54)),
        "flipped": ((2.0, 2.0, 2.0), np.diag([-1.0, -1.0, 1.0]), (50, 52, 54)),
        "oblique": ((2.0, 2.0, 2.5), _rotation() @ np.diag([1.0, -1.0, 1.0]), (48, 60, 60)),
        "anisotropic": ((1.5, 1.5, 4.0), np.eye(3)[:, [1, 2, 0]], (25, 68, 70)),
    }[name]
    columns = directions * np.asarray(spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = columns
    affine[:3, 3] = -columns @ ((np.array(shape_kji[::-1]) - 1) / 2)
    return Volume(np.zeros(shape_kji, dtype=np.uint8), affine)


def landmarks(grid: Volume) -> Volume:
    """Return a label map with a ball for each landmark."""
    points = points_ras(grid)
    labels = np.zeros(grid.shape_kji, dtype=np.uint8)
    for value, centre in LANDMARKS_RAS.items():
        labels[np.linalg.norm(points - centre, axis=-1) <= LANDMARK_RADIUS_MM] = value
    return grid.with_array(labels)


def points_ras(grid: Volume) -> NDArray[np.float64]:
    """Return the RAS point of each voxel, (k, j, i, 3)."""
    index_ijk = np.moveaxis(np.indices(grid.shape_kji)[::-1], 0, -1)
    points: NDArray[np.float64] = index_ijk @ grid.affine_ras[:3, :3].T + grid.affine_ras[:3, 3]
    return points


def _rotation() -> NDArray[np.float64]:
    """Turn by 20 degrees about R, then by 15 about S."""
    a, b = np.radians(20), np.radians(15)
    about_r = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_s = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    both: NDArray[np.float64] = about_s @ about_r
    return both


@pytest.fixture
def tumour(plain_grid: Volume) -> Volume:
    """Necrosis within enhancing tumour within oedema."""
    array = np.zeros(plain_grid.shape_kji, dtype=np.uint8)
    array[10:40, 12:40, 8:44] = 2
    array[18:32, 20:34, 16:36] = 3
    array[22:28, 24:30, 22:30] = 1
    return plain_grid.with_array(array)
