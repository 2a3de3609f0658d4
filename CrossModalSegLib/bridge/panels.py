"""Draw one picture of a case, by Slicer's displayable managers or, where these fail, by hand."""

from __future__ import annotations

from pathlib import Path

from CrossModalSegLib.bridge import drawing
from CrossModalSegLib.bridge.case_panel import CasePanel
from CrossModalSegLib.bridge.panel_layout import Tiles, write_panel
from CrossModalSegLib.bridge.segmentations import structures_of
from CrossModalSegLib.core.errors import OutputExistsError


def render_case_panel(panel: CasePanel, path: Path, *, overwrite: bool = False) -> None:
    """Draw a case with Slicer's displayable managers, in this process, as PNG.

    VTK ends the process when OpenGL fails; `rendering.render_panels` guards against that.

    Raises:
        MissingDependencyError: Slicer's libraries are not installed.
        OutputExistsError: `path` is there and overwriting was not asked for.
    """
    _refuse_existing(path, overwrite=overwrite)
    write_panel(panel, _tiles_by_slicer(panel), path)


def draw_case_panel(panel: CasePanel, path: Path, reason: str, *, overwrite: bool = False) -> None:
    """Draw a case without Slicer, as PNG, and say in the picture that it is so and why.

    Raises:
        OutputExistsError: `path` is there and overwriting was not asked for.
    """
    _refuse_existing(path, overwrite=overwrite)
    note = f"Drawn with matplotlib, not by 3D Slicer: {reason}"
    write_panel(panel, _tiles_by_hand(panel), path, note=note)


def _tiles_by_slicer(panel: CasePanel) -> Tiles:
    from CrossModalSegLib.bridge.scene import headless_scene
    from CrossModalSegLib.bridge.segmentations import (
        labels_to_node,
        style_as_fill,
        style_as_outline,
    )
    from CrossModalSegLib.bridge.surfaces import make_enclosing_surfaces_translucent
    from CrossModalSegLib.bridge.views import SliceView, SurfaceView
    from CrossModalSegLib.bridge.volumes import set_window, volume_to_node

    tiles: Tiles = []
    with headless_scene() as session:
        scene, task = session.mrml, panel.task
        image_node = volume_to_node(panel.image, scene, "image")
        set_window(image_node, *panel.shown_window())
        slices, surfaces = SliceView(session), SurfaceView(session)
        for name, labels in panel.columns.items():
            nodes = [labels_to_node(labels, task, scene, name)]
            make_enclosing_surfaces_translucent(nodes[0])
            style_as_fill(
                nodes[0],
                fill_opacity=drawing.FILL_OPACITY,
                outline_thickness=drawing.OUTLINE_PX,
            )
            if panel.reference is not None and labels is not panel.reference:
                # What is added last is drawn on top.
                nodes.append(
                    labels_to_node(panel.reference, task, scene, "outline", with_surfaces=False)
                )
                style_as_outline(
                    nodes[1], drawing.REFERENCE_COLOUR, thickness=drawing.REFERENCE_OUTLINE_PX
                )
            column = [slices.render(plane, image_node) for plane in panel.planes()]
            column.append(surfaces.render(panel.bounds_ras(), panel.tile_px))
            tiles.append(column)
            for node in nodes:
                scene.RemoveNode(node)
    return tiles


def _tiles_by_hand(panel: CasePanel) -> Tiles:
    structures, window, planes = structures_of(panel.task), panel.shown_window(), panel.planes()
    backgrounds = [drawing.draw_slice(panel.image, window, plane) for plane in planes]
    tiles: Tiles = []
    for labels in panel.columns.values():
        column = []
        for background, plane in zip(backgrounds, planes, strict=True):
            picture = drawing.overlay_structures(background, labels, structures, plane)
            if panel.reference is not None and labels is not panel.reference:
                picture = drawing.overlay_outlines(picture, panel.reference, structures, plane)
            column.append(picture)
        column.append(drawing.draw_surfaces(labels, structures, panel.bounds_ras(), panel.tile_px))
        tiles.append(column)
    return tiles


def _refuse_existing(path: Path, *, overwrite: bool) -> None:
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
