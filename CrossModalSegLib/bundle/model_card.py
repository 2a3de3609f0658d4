"""The texts of a bundle that people read: model card and licence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from CrossModalSegLib.bundle.metadata import HOLDER
from CrossModalSegLib.bundle.schema import BundleConfig, MeasuredScores
from CrossModalSegLib.core.modalities import Modality

_APACHE_NOTICE = """\
Licensed under the Apache License, Version 2.0 (the "License"); you may not use this model except
in compliance with the License. You may obtain a copy of the License at

    https://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License
is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or
implied. See the License for the specific language governing permissions and limitations under the
License.
"""


def model_card(config: BundleConfig) -> str:
    """Return `docs/README.md`: what the model is, for whom, made how, how good, under what terms.

    Sections after Mitchell et al. 2019, Model Cards for Model Reporting, doi:10.1145/3287560.
    """
    sections = [
        f"# {config.title}",
        f"**{config.intended_use}**",
        config.description,
        _model(config),
        _data(config),
        _scores(config),
        _references(config),
        f"## Licence\n\n{config.licence}. See `LICENSE`.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def licence_text(config: BundleConfig) -> str:
    """Return `LICENSE`: the terms of the weights."""
    notice = f"SPDX-License-Identifier: {config.licence}\n\nCopyright (c) {HOLDER}\n"
    if config.licence == "Apache-2.0":
        notice += f"\n{_APACHE_NOTICE}"
    return f"{notice}\nIntended use: {config.intended_use}\n"


def _model(config: BundleConfig) -> str:
    source, images = config.modalities.source, config.modalities.images
    structures = ", ".join(f"{c.value} {c.label} ({c.name})" for c in config.task.classes)
    height, width = config.preprocessing.matrix
    spacing_mm = config.preprocessing.spacing_mm
    spacing = (
        "at the volume's own spacing"
        if spacing_mm is None
        else f"at {spacing_mm[0]:g} x {spacing_mm[1]:g} mm"
    )
    rows = [
        ("Task", config.task.label),
        ("Structures", structures),
        ("For images of", _images(images)),
        ("Labels came from", source.label),
        ("Method", f"`{config.method}`"),
        ("Slices", f"{config.preprocessing.slicing}, {height} x {width}, {spacing}"),
    ]
    return f"## Model\n\n{_table(('', ''), rows)}"


def _images(images: Sequence[Modality]) -> str:
    if len(images) == 1:
        return images[0].label
    listed = ", ".join(f"{number} {entry.label}" for number, entry in enumerate(images, start=1))
    return f"{listed}: images of one case, in this order; the result lies on the first one's grid"


def _data(config: BundleConfig) -> str:
    training = config.training
    rows = [
        (cohort.domain, cohort.dataset, str(cohort.num_cases), f"`{cohort.content_hash[:16]}`")
        for cohort in training.cohorts
    ]
    table = _table(("Domain", "Data set", "Cases", "Content hash"), rows) if rows else ""
    chosen = f"Iteration {training.chosen_iteration} of {training.iterations}"
    how = f", chosen by {training.selection}" if training.selection else ""
    preset = f" Preset `{training.preset}`." if training.preset else ""
    seed = "" if training.seed is None else f" Seed {training.seed}."
    return f"## Training\n\n{table}\n\n{chosen}{how}.{preset}{seed}".replace("\n\n\n\n", "\n\n")


def _scores(config: BundleConfig) -> str:
    if not config.scores:
        return "## Scores\n\nNone were measured when this bundle was written."
    return "\n\n".join(["## Scores", *(_score_table(scores) for scores in config.scores)])


def _score_table(scores: MeasuredScores) -> str:
    metrics = list(scores.means)
    regions = list(dict.fromkeys(region for means in scores.means.values() for region in means))
    rows = [(region, *_row(scores, metrics, region)) for region in regions]
    caption = (
        f"Means over {scores.num_cases} cases of the {scores.domain}'s {scores.split} split "
        f"(empty masks: {scores.policy})."
    )
    return f"{caption}\n\n{_table(('Region', *metrics), rows)}"


def _row(scores: MeasuredScores, metrics: list[str], region: str) -> Iterator[str]:
    for metric in metrics:
        value = scores.means[metric].get(region)
        yield "" if value is None else f"{value:.3f}"


def _references(config: BundleConfig) -> str:
    if not config.references:
        return ""
    return "## References\n\n" + "\n".join(f"- {reference}" for reference in config.references)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
