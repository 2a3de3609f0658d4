"""Where the 3D views of a comparison look from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from CrossModalSegLib.bridge.comparison.comparison import Comparison
from CrossModalSegLib.bridge.comparison.comparison_layout import Column
from CrossModalSegLib.bridge.result_views import FRONT_RAS, MARGIN, foreground_ball


def look_from_front(columns: Iterable[Column], comparison: Comparison) -> None:
    """Let all cameras look from the front, at a place and size that holds what any method found.

    Linked views turn together from there on.
    """
    nodes = [comparison.reference, *(shown.segmentation for shown in comparison.methods)]
    found = (foreground_ball(node) for node in nodes if node is not None)
    balls = [ball for ball in found if ball is not None]
    if not balls:
        return
    centre_ras = np.mean([ball.centre_ras for ball in balls], axis=0)
    reaches_mm = [
        float(np.linalg.norm(ball.centre_ras - centre_ras)) + ball.radius_mm for ball in balls
    ]
    names = {column.name for column in columns if column.view_node is not None}
    scene = comparison.volume.GetScene()
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(index, "vtkMRMLCameraNode")
        if camera.GetLayoutName() in names:
            _aim(camera, centre_ras, max(*reaches_mm, 1.0) * MARGIN)


def _aim(camera: Any, centre_ras: Any, radius_mm: float) -> None:
    distance = radius_mm / np.sin(np.radians(camera.GetViewAngle() / 2))
    camera.SetFocalPoint(*centre_ras)
    camera.SetPosition(*(np.asarray(centre_ras) + np.multiply(FRONT_RAS, distance)))
    camera.SetViewUp(0.0, 0.0, 1.0)
    camera.SetParallelScale(radius_mm)
    camera.ResetClippingRange()
