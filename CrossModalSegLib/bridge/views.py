"""Slice and 3D views drawn by Slicer's own displayable managers into arrays, without a screen.

The window behind each view is VTK's; which kind works on a machine is for `rendering.py` to find.
Inside the Slicer application its own views are used instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from CrossModalSegLib.bridge.planes import PointRas, SlicePlane
from CrossModalSegLib.bridge.scene import HeadlessScene, import_slicer, import_vtk

Picture = NDArray[np.uint8]
"""Rows from the top, columns from the left, red green blue."""

SLICE_MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D",)
SURFACE_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)

_SURFACE_SAMPLES = 8
"""Samples a pixel in 3D views, for smooth edges; software renderers give what they can."""

_CAMERA_ANGLE_DEGREES = 30.0
"""Slicer's view angle."""

_CAMERA_MARGIN = 1.2


class SliceView:
    """One slice view of a headless scene.

    Args:
        session: Scene whose volumes and segmentations are shown. The view is taken down with it.
        name: Layout name, e.g. "Red"; one view for each name. A slice node of that name that is
            there already is taken, otherwise one is added.
    """

    def __init__(self, session: HeadlessScene, name: str = "Red") -> None:
        slicer, vtk = import_slicer(), import_vtk()
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(session.application)
        self._logic.SetMRMLScene(session.mrml)
        known = session.mrml.GetSingletonNode(name, "vtkMRMLSliceNode")
        self.node = known or self._logic.AddSliceNode(name)
        self._logic.SetSliceNode(self.node)
        session.application.GetSliceLogics().AddItem(self._logic)

        self._background = vtk.vtkRenderer()
        overlay = vtk.vtkRenderer()
        overlay.SetLayer(1)
        self._window = _offscreen_window(self._background, overlay)
        # As Slicer's slice widget: what the logic blends is drawn pixel by pixel.
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._image = vtk.vtkActor2D()
        self._image.SetMapper(mapper)

        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        self._group = _managers(session, factory, SLICE_MANAGERS, overlay, self.node)
        session.on_close(self._close)

    @property
    def window(self) -> Any:
        """Its `vtkRenderWindow`."""
        return self._window

    def render(self, plane: SlicePlane, volume_node: Any = None) -> Picture:
        """Draw a plane: the volume as background, and every visible segmentation."""
        size = plane.size_px
        self._window.SetSize(size, size)
        self.node.SetOrientation(plane.orientation.capitalize())
        self.node.SetDimensions(size, size, 1)
        self.node.SetFieldOfView(plane.field_of_view_mm, plane.field_of_view_mm, 1.0)
        self.node.JumpSliceByCentering(*plane.centre_ras)
        composite = self._logic.GetSliceCompositeNode()
        composite.SetBackgroundVolumeID(volume_node.GetID() if volume_node is not None else None)
        return self._draw()

    def render_as_set(self, size_px: int) -> Picture:
        """Draw what the view's nodes say: plane, field of view, background volume."""
        width_mm, _, depth_mm = self.node.GetFieldOfView()
        self._window.SetSize(size_px, size_px)
        self.node.SetDimensions(size_px, size_px, 1)
        self.node.SetFieldOfView(width_mm, width_mm, depth_mm)
        return self._draw()

    def _draw(self) -> Picture:
        # The logic makes another pipeline when its inputs change, and none without a volume.
        self._background.RemoveAllViewProps()
        if self._logic.GetSliceCompositeNode().GetBackgroundVolumeID():
            self._image.GetMapper().SetInputConnection(self._logic.GetImageDataConnection())
            self._background.AddActor(self._image)
        return grab(self._window)

    def _close(self) -> None:
        self._background.RemoveAllViewProps()
        self._group.SetMRMLDisplayableNode(None)
        self._window.Finalize()
        self._logic.SetMRMLScene(None)
        del self._group, self._image, self._window, self._logic, self.node


class SurfaceView:
    """One 3D view of a headless scene, with Slicer's background.

    Args:
        session: Scene whose segmentations are shown. The view is taken down with it.
        name: Layout name, e.g. "1"; one view for each name. A view node of that name that is there
            already is taken, otherwise one is added.
    """

    def __init__(self, session: HeadlessScene, name: str = "1") -> None:
        slicer, vtk = import_slicer(), import_vtk()
        self._renderer = vtk.vtkRenderer()
        self._window = _offscreen_window(self._renderer)
        self._window.SetMultiSamples(_SURFACE_SAMPLES)
        known = session.mrml.GetSingletonNode(name, "vtkMRMLViewNode")
        self.node = known or session.mrml.AddNewNodeByClass("vtkMRMLViewNode")
        self.node.SetLayoutName(name)
        self.node.SetBoxVisible(0)
        self.node.SetAxisLabelsVisible(0)
        self.node.SetUseDepthPeeling(1)  # so that translucent surfaces are blended back to front
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        self._group = _managers(session, factory, SURFACE_MANAGERS, self._renderer, self.node)
        session.on_close(self._close)

    @property
    def window(self) -> Any:
        """Its `vtkRenderWindow`."""
        return self._window

    def render(self, bounds_ras: tuple[PointRas, PointRas], size_px: int) -> Picture:
        """Draw closed surfaces from the front, the box `bounds_ras` filling the picture."""
        lower, upper = np.array(bounds_ras)
        centre, half = (lower + upper) / 2, (upper - lower) / 2
        reach = max(half[0], half[2], 1.0) * _CAMERA_MARGIN
        distance = reach / np.tan(np.radians(_CAMERA_ANGLE_DEGREES / 2)) + half[1]
        camera = self._renderer.GetActiveCamera()
        camera.SetViewAngle(_CAMERA_ANGLE_DEGREES)
        camera.SetFocalPoint(*centre)
        camera.SetPosition(centre[0], centre[1] + distance, centre[2])
        camera.SetViewUp(0.0, 0.0, 1.0)
        return self.render_as_set(size_px)

    def render_as_set(self, size_px: int) -> Picture:
        """Draw what the view's camera sees."""
        self._renderer.ResetCameraClippingRange()
        self._window.SetSize(size_px, size_px)
        return grab(self._window)

    def _close(self) -> None:
        self._group.SetMRMLDisplayableNode(None)
        self._window.Finalize()
        del self._group, self._renderer, self._window, self.node


def _offscreen_window(*renderers: Any) -> Any:
    vtk = import_vtk()
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetNumberOfLayers(len(renderers))
    for renderer in renderers:
        window.AddRenderer(renderer)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    return window


def _managers(
    session: HeadlessScene, factory: Any, names: tuple[str, ...], renderer: Any, view_node: Any
) -> Any:
    """Return the displayable managers of one view, which fill its renderer from the scene."""
    for name in names:
        if not factory.IsDisplayableManagerRegistered(name):
            factory.RegisterDisplayableManager(name)
    factory.SetMRMLApplicationLogic(session.application)
    session.on_close(lambda: factory.SetMRMLApplicationLogic(None))
    group = import_slicer().vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, renderer)
    group.SetMRMLDisplayableNode(view_node)
    return group


def grab(window: Any) -> Picture:
    """Draw a window and read it back."""
    vtk = import_vtk()
    from vtk.util.numpy_support import vtk_to_numpy

    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.SetInputBufferTypeToRGB()
    grabber.ReadFrontBufferOff()
    grabber.ShouldRerenderOff()
    grabber.Update()
    image = grabber.GetOutput()
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)
    picture: Picture = np.ascontiguousarray(pixels[::-1])
    return picture
