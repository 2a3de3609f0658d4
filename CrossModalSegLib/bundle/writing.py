"""Writing bundles."""

from __future__ import annotations

import importlib.metadata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from CrossModalSegLib import __version__
from CrossModalSegLib.bundle.schema import (
    CARD_FILE,
    CONFIG_FILE,
    LICENSE_FILE,
    METADATA_FILE,
    WEIGHTS_FILE,
    BundleConfig,
    monai_metadata,
)
from CrossModalSegLib.core.config import to_dict, write_json
from CrossModalSegLib.core.errors import storage_errors
from CrossModalSegLib.data.output_folders import replacing_folder, require_free
from CrossModalSegLib.data.volume_files import new_file

if TYPE_CHECKING:
    from torch import Tensor


def write_bundle(
    folder: Path,
    config: BundleConfig,
    weights: Mapping[str, Tensor],
    *,
    overwrite: bool = False,
) -> None:
    """Write a bundle folder; it appears whole or not at all.

    Args:
        folder: Where.
        config: What the model is.
        weights: Of the deployed networks, by name; stored exactly.
        overwrite: Replace a bundle that is there.

    Raises:
        OutputExistsError: `folder` exists.
        StorageError: The disk is full or not writable.
    """
    from safetensors.torch import save_file

    require_free(folder, CONFIG_FILE, overwrite=overwrite)
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    with replacing_folder(folder) as partial, storage_errors(folder):
        for name in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE):
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
        write_json(partial / CONFIG_FILE, to_dict(config))
        write_json(partial / METADATA_FILE, monai_metadata(config, _versions()))
        save_file(tensors, partial / WEIGHTS_FILE)
        (partial / CARD_FILE).write_text(model_card(config), encoding="utf-8")
        (partial / LICENSE_FILE).write_text(_licence_notice(config), encoding="utf-8")


def zip_bundle(folder: Path, archive: Path, *, overwrite: bool = False) -> None:
    """Pack a bundle folder into one zip file.

    Raises:
        OutputExistsError: `archive` exists.
        StorageError: The disk is full or not writable.
    """
    with (
        new_file(archive, overwrite=overwrite) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path, path.relative_to(folder).as_posix())


def model_card(config: BundleConfig) -> str:
    """Return the bundle's documentation in Markdown."""
    structures = ", ".join(region.label for region in config.task.regions)
    provenance = config.provenance
    kept = f"{provenance.chosen_iteration} ({provenance.selection_rule})"
    facts = {
        "Segments": f"{structures} ({config.task.label})",
        "Modality": f"{config.target.label}; labels came from {config.source.label}",
        "Method": f"{config.method}, preset {provenance.preset}, seed {provenance.seed}",
        "Iterations": f"{provenance.iterations}, kept: {kept}",
        "Target labels used in training": "yes" if provenance.saw_target_labels else "no",
        "Licence": config.licence,
    }
    lines = [f"# {config.title}", "", f"**{config.intended_use}**", "", config.description, ""]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "## Scores", "", *_score_lines(config)]
    lines += ["", "## Use", "", "    crossmodalseg segment --model THIS --input SCAN --output OUT"]
    return "\n".join(lines) + "\n"


def _score_lines(config: BundleConfig) -> list[str]:
    if not config.scores:
        return ["None were measured when this bundle was written."]
    rows = (
        f"| {s.region} | {s.metric} | {s.value:.3f} | {s.cases} | {s.split} |"
        for s in config.scores
    )
    return ["| region | metric | mean | cases | split |", "|---|---|---|---|---|", *rows]


def _licence_notice(config: BundleConfig) -> str:
    return (
        f"The weights and documents of this bundle are licensed under {config.licence}.\n"
        "Data that the model was trained on may carry terms of its own.\n"
    )


def _versions() -> dict[str, str]:
    names = ("monai", "torch", "numpy")
    return {"crossmodalseg": __version__} | {n: importlib.metadata.version(n) for n in names}
