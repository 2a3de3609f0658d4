"""A page about one training run: settings, curves, pictures, score, and how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.bundle.schema import MeasuredScores
from CrossModalSegLib.core.errors import BundleError, ConfigError
from CrossModalSegLib.evaluation.figure_style import png_bytes
from CrossModalSegLib.evaluation.figures import learning_curves
from CrossModalSegLib.evaluation.grids import Grid, GridRow
from CrossModalSegLib.evaluation.report import (
    Headline,
    Picture,
    ReportContent,
    Section,
    build_report,
    read_picture,
)
from CrossModalSegLib.evaluation.run_record import RunRecord, read_run
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.training.memory_use import GPU_MEMORY, PROCESS_MEMORY

MAX_PREVIEWS = 6
"""Pictures on the page: the first, the last, and some between."""

STATES = {
    "running": "It is being trained.",
    "finished": "It came to its end.",
    "cancelled": "It was cancelled.",
    "failed": "It failed.",
    "killed": "Its process ended without a word; it can be resumed.",
}

_METRIC_LABELS = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "assd_mm": "ASSD (mm)"}


def write_run_report(folder: Path, output: Path) -> None:
    """Write the page; an existing file is replaced.

    Args:
        folder: Of the run, finished or not.
        output: HTML file.

    Raises:
        RunError: The folder is no run.
        StorageError: The disk is full or not writable.
    """
    build_report(run_report(folder), output)


def run_report(folder: Path) -> ReportContent:
    """Return what the page says.

    Raises:
        RunError: The folder is no run.
        ConfigError: Its journal or configuration is damaged.
    """
    record = read_run(folder)
    config = record.config
    return ReportContent(
        title=f"Training run {folder.resolve().name}",
        summary=_summary(record),
        headlines=tuple(_headlines(record)),
        notes=tuple(dict.fromkeys(f"{kind.title()}: {text}" for kind, text in record.messages)),
        sections=tuple(_sections(folder, record)),
        facts=_facts(config, record),
        commands=(_command(folder, config),),
    )


def _summary(record: RunRecord) -> str:
    config = record.config
    method = METHODS.get(config["method"])
    title = config["method"] if method is None else method.title
    preset = Path(str(config["preset"])).stem
    return (
        f"{title} with the preset {preset!r} for {config['task'].get('label', '')}. "
        f"{STATES[record.state]} The label-free score is the Dice on labelled source validation "
        "slices, minus half the loss of the target predictions against their own pseudo-labels: it "
        "needs no target label, and compares models of one run only."
    )


def _headlines(record: RunRecord) -> Iterator[Headline]:
    total = f"of {record.total}" if record.total else ""
    yield Headline(label="Iterations", value=str(record.done), detail=total)
    best = record.best_score
    if best is not None:
        iteration, value = best
        detail = f"at iteration {iteration}; higher is better"
        yield Headline(label="Label-free score", value=f"{value:.3f}", detail=detail)
    for name, label in ((PROCESS_MEMORY, "Memory"), (GPU_MEMORY, "GPU memory")):
        if name in record.peak_mib:
            value_gib = f"{record.peak_mib[name] / 1024:.2f} GiB"
            yield Headline(label=label, value=value_gib, detail="most that was told")


def _sections(folder: Path, record: RunRecord) -> Iterator[Section]:
    try:
        figure = learning_curves({record.config["method"]: folder / "journal.jsonl"})
    except ConfigError:  # no step was made yet
        pass
    else:
        text = "Losses and scores over the iterations of training"
        curves = Picture(content=png_bytes(figure), alternative=text, wide=True)
        yield Section(title="Curves", pictures=(curves,))
    pictures = tuple(_previews(record))
    if pictures:
        yield Section(title="Pictures", text="Slices of validation subjects.", pictures=pictures)
    scores = _measured_scores(folder / "bundle")
    if scores:
        grids = tuple(_score_grid(number, each) for number, each in enumerate(scores))
        yield Section(title="Scores on labelled cases", grids=grids)
    yield Section(title="Settings", grids=(_settings(record.config),), is_folded=True)


def _previews(record: RunRecord) -> Iterator[Picture]:
    shown = dict(record.previews)  # a resumed run draws some again
    paths = list(shown)
    if len(paths) > MAX_PREVIEWS:
        last = len(paths) - 1
        steps = range(MAX_PREVIEWS)
        paths = [paths[round(step * last / (MAX_PREVIEWS - 1))] for step in steps]
    for path in paths:
        alternative = f"Source, target and prediction slices: {shown[path]}"
        yield read_picture(path, alternative, shown[path], wide=True)


def _measured_scores(bundle: Path) -> tuple[MeasuredScores, ...]:
    try:
        return read_bundle(bundle).config.scores
    except BundleError:  # there is none yet, or it is damaged
        return ()


def _score_grid(number: int, scores: MeasuredScores) -> Grid:
    regions = list(dict.fromkeys(region for means in scores.means.values() for region in means))
    rows = (
        GridRow(
            cells=(
                _METRIC_LABELS.get(metric, metric),
                *("" if (value := means.get(r)) is None else f"{value:.3f}" for r in regions),
            )
        )
        for metric, means in scores.means.items()
    )
    return Grid(
        name=f"scores_{number}",
        title=f"Means over {scores.num_cases} cases, {scores.domain} {scores.split}",
        header=("Metric", *regions),
        rows=tuple(rows),
    )


def _settings(config: Mapping[str, Any]) -> Grid:
    """List every setting; those that differ from the preset's say so."""
    overridden = {each.partition("=")[0].strip() for each in config["overrides"]}
    resumed = {each["setting"]: each for each in config.get("changes", ())}
    rows = []
    for name, value in _flat(config["settings"]):
        note = "overridden" if name in overridden else ""
        if name in resumed:
            note = f"{resumed[name]['before']} before iteration {resumed[name]['iteration']}"
        rows.append(GridRow(cells=(name, str(value), note)))
    header = ("Setting", "Value", "Changed")
    return Grid(name="settings", title="Settings of the run", header=header, rows=tuple(rows))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _facts(config: Mapping[str, Any], record: RunRecord) -> dict[str, str]:
    cohorts = {role: each for role, each in config["cohorts"].items() if each is not None}
    versions = ", ".join(f"{name} {version}" for name, version in config["versions"].items())
    return {
        "State": record.state,
        **{f"Cohort, {role}": f"{each['path']} ({each['hash']})" for role, each in cohorts.items()},
        "Device": str(config["device"]),
        "Seed": str(config["seed"]),
        "Versions": versions,
    }


def _command(folder: Path, config: Mapping[str, Any]) -> str:
    parts = ["crossmodalseg", "train", "--method", config["method"], "--preset", config["preset"]]
    for role, cohort in config["cohorts"].items():
        if cohort is not None:
            parts += [f"--{role}", cohort["path"]]
    for override in config["overrides"]:
        parts += ["--override", override]
    parts += ["--seed", str(config["seed"]), "--run", folder.name]
    return shlex.join(str(part) for part in parts)
