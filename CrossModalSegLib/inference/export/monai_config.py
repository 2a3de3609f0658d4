"""What MONAI's own runner is told to do with an exported model."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.bundle.reading import Bundle

TORCHSCRIPT_FILE = "models/model.ts"
INFERENCE_FILE = "configs/inference.json"

_NETWORK = (
    "$torch.jit.load(@bundle_root + '/models/model.ts', map_location=@device)"
    ".eval().to(memory_format=torch.channels_last)"
)

_RUN = (
    "$[@postprocessing({**item, 'pred': @inferer(item['slices'], @network_def)}) "
    "for item in @dataset]"
)

_README = """
## Running this model with MONAI

This folder is the export of a CrossModalSeg model for MONAI's bundle runner. It needs PyTorch,
MONAI (with `fire`), nibabel and SciPy, and nothing of CrossModalSeg. From this folder:

    python -m monai.bundle run --config_file configs/inference.json \\
        --dataset_dir {data} --output_dir FOLDER

`scripts/` holds the sources that cut images into slices and put labels back on the images' own
grids, as they are in CrossModalSeg; running the model runs them.
"""

_README_OF_SEVERAL = """
Each case is a folder with {files}; other grids are resampled to that of the first one, on which
the result lies.
"""


def inference_config(bundle: Bundle) -> dict[str, Any]:
    """Return `configs/inference.json`: everything that MONAI's runner does, in order.

    One image a case: the NIfTI files of a folder. Several: a folder for each case.
    """
    config = "$@bundle_root + '/configs/config.json'"
    names = [modality.name for modality in bundle.config.modalities.images]
    keys = ["image", *(f"image_{number}" for number in range(2, len(names) + 1))]
    return {
        "imports": ["$import glob", "$import os", "$import torch"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "datalist": _datalist(names),
        "network_def": _NETWORK,
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": keys, "image_only": True},
                {"_target_": "EnsureChannelFirstd", "keys": keys},
                {"_target_": "scripts.pipeline.PrepareSlicesd", "config": config, "images": keys},
            ],
        },
        "dataset": {
            "_target_": "Dataset",
            "data": f"$[dict(zip({keys!r}, paths)) for paths in @datalist]",
            "transform": "@preprocessing",
        },
        "inferer": {"_target_": "scripts.pipeline.SliceInferer", "device": "@device"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "scripts.pipeline.RestoreLabelsd", "config": config},
                {
                    "_target_": "SaveImaged",
                    "keys": "pred",
                    "output_dir": "@output_dir",
                    "output_postfix": "seg",
                    "output_dtype": "$'uint8'",
                    "resample": False,
                    "separate_folder": False,
                    "data_root_dir": "@dataset_dir",
                },
            ],
        },
        "run": [_RUN],
        "intended_use": bundle.config.intended_use,
    }


def readme_section(bundle: Bundle) -> str:
    """Return what the export's README says of running it."""
    names = [modality.name for modality in bundle.config.modalities.images]
    if len(names) == 1:
        return _README.format(data="FOLDER_OF_NIFTI_FILES")
    files = ", ".join(f"`image_{name}.nii.gz`" for name in names)
    return _README.format(data="FOLDER_OF_CASE_FOLDERS") + _README_OF_SEVERAL.format(files=files)


def _datalist(names: list[str]) -> str | dict[str, Any]:
    """Return what gives the files of each case, in the order of the channels."""
    if len(names) == 1:
        return "$[[path] for path in sorted(glob.glob(os.path.join(@dataset_dir, '*.nii*')))]"
    return {
        "_target_": "scripts.pipeline.find_cases",
        "folder": "@dataset_dir",
        "names": names,
    }
