"""A model's card as the HTML that Qt shows: Qt-free, and nothing of a bundle is trusted.

Colours are set in pairs of ink and ground or not at all, so that the card reads in light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from CrossModalSegLib.bundle.library import LibraryEntry
from CrossModalSegLib.bundle.schema import BundleConfig, CohortReference, MeasuredScores
from CrossModalSegLib.core.tasks import Region
from CrossModalSegLib.evaluation.tables import METRICS

METHOD_TITLES = {
    "source_only": "Source only",
    "source_only_augmented": "Source only, augmented",
    "supervised": "Supervised on target",
    "bigl": "BiGL",
    "dsan": "DSAN",
    "glua": "GLUA",
}
"""Titles of methods without their code, which needs torch. Others are shown by their name."""

_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:)\]]")
_EMPTY_MASKS = {
    "brats": "both empty counts as Dice 100 %, one empty as 0 %",
    "exclude": "cases with an empty mask left out",
    "worst": "empty masks count as the worst score",
}
_WARNING = ("#5c3d00", "#ffe9b8")
_ERROR = ("#6b1414", "#ffd9d6")
_HEADING_STYLE = "margin-top:14px; margin-bottom:3px; font-weight:600"


def card_html(entry: LibraryEntry) -> str:
    """Return what users ask about a model, in the order in which they ask it."""
    if entry.config is None:
        return _unusable(entry)
    config = entry.config
    sections = [
        f"<h3>{escape(config.title)}</h3>",
        _banner(config.intended_use, _WARNING),
        f"<p>{_linked(config.description)}</p>" if config.description else "",
        _section("What it segments", _structures(config.task.regions)),
        _section("Model", _rows(_purpose(config))),
        _section("Scores", _scores(config.scores)),
        _section("Training", _rows(_training(config))),
        _section("Where it is", _rows(_place(entry))),
    ]
    return "".join(section for section in sections if section)


def method_title(name: str) -> str:
    """Return a method's name for people."""
    return METHOD_TITLES.get(name, name)


def adaptation_text(config: BundleConfig) -> str:
    """Return where the labels came from and what the model is for, e.g. "CT → T1 MR"."""
    source, target = config.modalities.source, config.modalities.target
    wanted = config.modalities.images_label
    return wanted if source.name == target.name else f"{source.label} → {wanted}"


def size_text(num_bytes: int) -> str:
    """Return a size as people write it."""
    if num_bytes < 2**20:
        return f"{num_bytes / 2**10:.0f} kB"
    if num_bytes < 2**30:
        return f"{num_bytes / 2**20:.1f} MB"
    return f"{num_bytes / 2**30:.1f} GB"


def best_known_scores(config: BundleConfig) -> MeasuredScores | None:
    """Return the scores that say most: of the target, of cases by which nothing was chosen."""
    ranked = sorted(config.scores, key=lambda s: (s.domain != "target", s.split != "test"))
    return next((scores for scores in ranked if scores.means.get("dice")), None)


def mean_dice(scores: MeasuredScores) -> float:
    """Return the mean over the regions, 0 to 1."""
    values = scores.means["dice"].values()
    return sum(values) / len(values)


def measured_on(scores: MeasuredScores) -> str:
    """Return on what scores were measured."""
    cases = "1 case" if scores.num_cases == 1 else f"{scores.num_cases} cases"
    return f"{cases} of the {scores.domain}'s {scores.split} split"


def _unusable(entry: LibraryEntry) -> str:
    return "".join(
        [
            f"<h3>{escape(entry.name)}</h3>",
            _banner("This model cannot be used.", _ERROR),
            f"<p>{_linked(entry.problem)}</p>",
            _section("Where it is", _rows(_place(entry))),
        ]
    )


def _purpose(config: BundleConfig) -> Iterator[tuple[str, str]]:
    source, target = config.modalities.source, config.modalities.target
    matrix, spacing_mm = config.preprocessing.matrix, config.preprocessing.spacing_mm
    yield "Task", escape(config.task.label)
    yield "For scans of", f"<b>{escape(config.modalities.images_label)}</b>"
    is_adapted = source.name != target.name
    yield "Labels came from", escape(source.label) if is_adapted else "the same modality"
    yield "Method", escape(method_title(config.method))
    for number, reference in enumerate(config.references):
        yield "" if number else "Please cite", _linked(reference)
    spacing = "the scan's own spacing"
    if spacing_mm is not None:
        spacing = f"{spacing_mm[0]:g} x {spacing_mm[1]:g} mm"
    yield (
        "Sees",
        escape(f"{config.preprocessing.slicing} slices, {matrix[0]} x {matrix[1]}, {spacing}"),
    )
    yield "Licence", escape(config.licence)


def _training(config: BundleConfig) -> Iterator[tuple[str, str]]:
    training = config.training
    for cohort in training.cohorts:
        yield f"Data, {cohort.domain}", escape(_cohort_text(cohort, config))
    if training.iterations:
        length = f"iteration {training.chosen_iteration} of {training.iterations}"
        yield "Weights", escape(length)
    if training.selection:
        yield "Chosen by", escape(training.selection)
    overrides = f" with {', '.join(training.overrides)}" if training.overrides else ""
    if training.preset:
        yield "Preset", escape(training.preset + overrides)
    made = [training.created.replace("T", " "), training.device and f"on {training.device}"]
    if any(made):
        yield "Trained", escape(", ".join(part for part in made if part))
    version = training.versions.get("crossmodalseg", "")
    if version:
        yield "Written by", escape(f"CrossModalSeg {version}")


def _cohort_text(cohort: CohortReference, config: BundleConfig) -> str:
    kind = " + ".join(cohort.images) or getattr(config.modalities, cohort.domain).label
    cases = "1 case" if cohort.num_cases == 1 else f"{cohort.num_cases} cases"
    labels = ", labels unseen" if cohort.domain == "target" else ""
    identity = f", hash {cohort.content_hash[:12]}" if cohort.content_hash else ""
    return f"{cases} of {kind} ({cohort.dataset}{labels}{identity})"


def _place(entry: LibraryEntry) -> Iterator[tuple[str, str]]:
    shipped = entry.origin == "shipped"
    yield "Name", f"<tt>{escape(entry.name)}</tt>"
    yield "Origin", "ships with CrossModalSeg" if shipped else "imported"
    yield "Size", escape(size_text(entry.num_bytes))
    yield "Folder", escape(str(entry.path))


def _scores(measured: Sequence[MeasuredScores]) -> str:
    if not any(scores.means for scores in measured):
        return "<p>None were measured when this model was written. Check its results yourself.</p>"
    return "".join(_score_table(scores) for scores in measured if scores.means)


def _score_table(scores: MeasuredScores) -> str:
    metrics = list(scores.means)
    regions = list(dict.fromkeys(region for means in scores.means.values() for region in means))
    head = "".join(f"<th align='right'>{escape(_metric_title(name))}</th>" for name in metrics)
    lines = [f"<tr><th align='left'>Region</th>{head}</tr>"]
    for region in regions:
        values = (_score_text(name, scores.means[name].get(region)) for name in metrics)
        cells = "".join(f"<td align='right'>{value}</td>" for value in values)
        lines.append(f"<tr><td>{escape(region)}</td>{cells}</tr>")
    policy = _EMPTY_MASKS.get(scores.policy, scores.policy)
    caption = escape(f"Means over {measured_on(scores)}; {policy}.")
    return f"<table cellspacing='0' cellpadding='3'>{''.join(lines)}</table><p>{caption}</p>"


def _metric_title(name: str) -> str:
    return METRICS[name].title if name in METRICS else name


def _score_text(name: str, value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value * METRICS[name].scale:.1f}" if name in METRICS else f"{value:.3g}"


def _structures(regions: Iterable[Region]) -> str:
    rows = "".join(
        f"<tr><td bgcolor='#{red:02x}{green:02x}{blue:02x}' width='16'>&nbsp;</td>"
        f"<td>&nbsp;{escape(region.label)} <tt>({escape(region.name)})</tt></td></tr>"
        for region in regions
        for red, green, blue in [region.colour]
    )
    return f"<table cellspacing='3' cellpadding='1'>{rows}</table>"


def _section(title: str, body: str) -> str:
    return f"<p style='{_HEADING_STYLE}'>{escape(title)}</p>{body}" if body else ""


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and values; the values are HTML already."""
    lines = "".join(
        f"<tr><td style='white-space:nowrap'>{escape(name)}&nbsp;&nbsp;</td><td>{value}</td></tr>"
        for name, value in rows
    )
    return f"<table cellspacing='0' cellpadding='2'>{lines}</table>" if lines else ""


def _banner(text: str, colours: tuple[str, str]) -> str:
    ink, ground = colours
    return (
        f"<table width='100%' cellspacing='0' cellpadding='7'><tr><td bgcolor='{ground}'>"
        f"<span style='color:{ink}'><b>{escape(text)}</b></span></td></tr></table>"
    )


def _linked(text: str) -> str:
    """Escape a text and make its web addresses links that show where they lead."""
    parts, end = [], 0
    for match in _LINK.finditer(text):
        address = escape(match.group())
        parts += [escape(text[end : match.start()]), f"<a href='{address}'>{address}</a>"]
        end = match.end()
    return "".join([*parts, escape(text[end:])])
