"""Segments made of a label map before they come into the scene; any thread may make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from CrossModalSegLib.bridge.closed_surface import SegmentVoxels, SurfaceRecipe, closed_surface
from CrossModalSegLib.bridge.segments import structure_images
from CrossModalSegLib.core.tasks import Region
from CrossModalSegLib.core.volume import Volume


@dataclass(frozen=True, eq=False)
class PreparedSegment:
    """What a structure looks like.

    Attributes:
        structure: Name, colour and terminology.
        image: `vtkOrientedImageData` that holds it, together with others where none overlap.
        value: Of the structure's voxels in the image.
        surface: Closed surface; None: not made.
    """

    structure: Region
    image: Any
    value: int
    surface: Any = None


def prepare_segments(
    labels: Volume,
    structures: Sequence[Region],
    *,
    nested: bool,
    recipe: SurfaceRecipe | None = None,
) -> list[PreparedSegment]:
    """Make the images, and the surfaces, of structures.

    Args:
        labels: In the coordinates that the segmentation will have.
        structures: Those that are wanted.
        nested: Whether structures overlap.
        recipe: Of closed surfaces; None: no surfaces.
    """
    return [
        PreparedSegment(
            structure=structure,
            image=image,
            value=value,
            surface=recipe and closed_surface(SegmentVoxels.of_image(image, value), recipe),
        )
        for structure, image, value in structure_images(
            labels, structures, nested=nested, cropped=True
        )
    ]
