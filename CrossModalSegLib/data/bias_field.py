"""Evening out the shading of MR images: N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.foreground import foreground_threshold

FITTED_MM = 4.0
"""The field is fitted at this resolution: it is smooth."""

ITERATIONS = (50, 50, 30)
"""At each of three resolutions of the field."""

_MIN_FITTED_VOXELS = 16


def correct_bias_field(volume: Volume) -> Volume:
    """Divide an image by the smooth field of shading that N4 finds in its foreground.

    Raises:
        InputFileError: The image has negative voxels, as no magnitude image has.
    """
    if volume.array_kji.min() < 0:
        raise InputFileError(
            f"N4 needs intensities of at least 0, got {volume.array_kji.min():g}.",
            hint="Leave N4 out: the image was normalised already, or is a CT.",
        )
    itk: Any = SimpleITK
    image = itk.GetImageFromArray(volume.array_kji.astype(np.float32))
    image.SetSpacing(volume.spacing_mm)
    mask = itk.Cast(image > foreground_threshold(volume.array_kji, is_ct=False), itk.sitkUInt8)
    shrink = [
        max(1, min(round(FITTED_MM / mm), size // _MIN_FITTED_VOXELS))
        for mm, size in zip(volume.spacing_mm, volume.shape_ijk, strict=True)
    ]
    fitter = itk.N4BiasFieldCorrectionImageFilter()
    fitter.SetMaximumNumberOfIterations(ITERATIONS)
    fitter.Execute(itk.Shrink(image, shrink), itk.Shrink(mask, shrink))
    field = itk.GetArrayFromImage(fitter.GetLogBiasFieldAsImage(image))
    inside = field[itk.GetArrayViewFromImage(mask) > 0]
    field = np.clip(field, inside.min(), inside.max())  # elsewhere it is only extrapolated
    corrected = volume.array_kji / np.exp(field)
    return volume.with_array(corrected.astype(np.float32))
