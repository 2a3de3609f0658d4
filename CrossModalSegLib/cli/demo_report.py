"""What the demo shows: table, pictures by Slicer's displayable managers, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from CrossModalSegLib import __version__
from CrossModalSegLib.bridge.rendering import PanelJob, render_panels
from CrossModalSegLib.bundle.reading import read_bundle
from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.cohort import Cohort
from CrossModalSegLib.evaluation.figure_style import png_bytes
from CrossModalSegLib.evaluation.figures import (
    box_plots,
    learning_curves,
    mean_dice_bars,
)
from CrossModalSegLib.evaluation.provenance import (
    Provenance,
    package_versions,
    write_provenance,
)
from CrossModalSegLib.evaluation.records import (
    ScoreRecord,
    scores_csv,
    write_scores,
    write_text,
)
from CrossModalSegLib.evaluation.report import (
    Headline,
    Picture,
    ReportContent,
    Section,
    build_report,
    read_picture,
)
from CrossModalSegLib.evaluation.table_formats import percent, to_latex, to_markdown, to_text
from CrossModalSegLib.evaluation.tables import (
    ScoreTable,
    build_table,
    comparison_notes,
    gaps_closed,
    mean_dice,
)
from CrossModalSegLib.methods import METHODS

if TYPE_CHECKING:
    from CrossModalSegLib.cli.demo import DemoFolder

METRICS = ("dice", "assd_voxels", "hd95_mm")

DESCRIPTIONS = {
    "source_only": "Trained on labelled CT alone: the lower bound.",
    "source_only_augmented": "The same with DSAN's appearance augmentation, and no target data.",
    "dsan": "Adapted with unlabelled MR (Han et al., IEEE TMI 2022), same augmentation.",
    "supervised": "Trained on the labels of the MR subjects: the upper bound, no adaptation.",
}

SUMMARY = (
    "Labelled CT phantoms and unlabelled MR phantoms of other subjects went in; the models then "
    "segmented MR subjects that no training had seen. No label of a training MR subject was used, "
    "except by the supervised upper bound. Phantoms are simplified anatomy: the numbers compare "
    "methods under one budget of minutes, and say nothing about clinical accuracy."
)


def write_results(
    folder: DemoFolder,
    records: Sequence[ScoreRecord],
    facts: Mapping[str, str],
    reporter: Reporter,
) -> dict[str, Any]:
    """Write scores, tables, pictures and the report.

    Returns:
        What the end of the demo says: the table, mean Dice and share of the gap closed by method.
    """
    labels = {name: METHODS[name].title for name in DESCRIPTIONS}
    tables = tuple(build_table(records, metric, "brats", labels=labels) for metric in METRICS)
    provenance = _provenance(folder)
    write_scores(folder.path / "scores.json", records)
    write_provenance(folder.path / "provenance.json", provenance)
    write_text(folder.path / "scores.csv", scores_csv(records))
    write_text(folder.path / "table.md", "\n\n".join(map(to_markdown, tables)))
    write_text(folder.path / "table.tex", to_latex(tables))
    pictures = _case_pictures(folder, records, labels, reporter)
    content = ReportContent(
        title="Cardiac segmentation of MR with labels from CT alone",
        summary=SUMMARY,
        headlines=_headlines(records),
        notes=comparison_notes(tables[0]),
        tables=tables,
        descriptions=DESCRIPTIONS,
        sections=_sections(folder, records, labels, pictures),
        provenance=provenance,
        facts=facts,
        commands=(f"crossmodalseg demo --seed {provenance.seeds['demo']} --output demo-output",),
    )
    build_report(content, folder.path / "report.html")
    return _summary(records, tables[0])


def _summary(records: Sequence[ScoreRecord], table: ScoreTable) -> dict[str, Any]:
    gaps = gaps_closed(records)
    dice = {method: mean for method, mean in mean_dice(records).items() if mean is not None}
    return {
        "table": to_text(table),
        "mean_dice": {method: round(mean, 2) for method, mean in dice.items()},
        "gap_closed": {method: round(share, 4) for method, share in gaps.items()},
        "notes": list(comparison_notes(table)),
    }


def _headlines(records: Sequence[ScoreRecord]) -> tuple[Headline, ...]:
    dice, gaps = mean_dice(records), gaps_closed(records)
    headlines = [
        Headline(
            label=METHODS[method].title,
            value="-" if mean is None else f"{mean:.1f}",
            detail="mean Dice in percent",
        )
        for method, mean in dice.items()
    ]
    if "dsan" in gaps:
        share = Headline(
            label="Gap closed by DSAN",
            value=percent(gaps["dsan"]),
            detail="0 %: source only, 100 %: supervised on target",
        )
        headlines.insert(0, share)
    return tuple(headlines)


def _sections(
    folder: DemoFolder,
    records: Sequence[ScoreRecord],
    labels: Mapping[str, str],
    cases: Sequence[Picture],
) -> tuple[Section, ...]:
    journals = {name: folder.run(name) / "journal.jsonl" for name in DESCRIPTIONS}
    scores = (
        Picture(
            content=png_bytes(mean_dice_bars(records, labels)),
            alternative="Mean Dice of each method, with one dot a test subject",
        ),
        Picture(
            content=png_bytes(box_plots(records, "dice", labels)),
            alternative="Dice of each method by structure, as box plots over test subjects",
            wide=True,
        ),
    )
    translation = read_picture(
        max((folder.run("dsan") / "previews").glob("*.png")),
        "Source, translated source, target, translated target and prediction, six slices each",
        "What DSAN sees and makes at the end of its training. Validation subjects.",
        wide=True,
    )
    curves = Picture(
        content=png_bytes(learning_curves(journals, labels)),
        alternative="Losses and label-free scores over the iterations of each training",
        wide=True,
    )
    return (
        Section(
            title="Unseen subjects in Slicer's views",
            text="Filled: the method. Outlines: the reference. Radiological convention.",
            pictures=tuple(cases),
        ),
        Section(title="Scores by structure", pictures=scores),
        Section(title="Translation", pictures=(translation,)),
        Section(title="Training", pictures=(curves,)),
    )


def _case_pictures(
    folder: DemoFolder,
    records: Sequence[ScoreRecord],
    labels: Mapping[str, str],
    reporter: Reporter,
) -> list[Picture]:
    """Draw the best, the median and the worst subject of DSAN."""
    dice = _dice_by_case(records)
    ranked = sorted(dice["dsan"], key=dice["dsan"].__getitem__)
    shown = {"worst": ranked[0], "median": ranked[len(ranked) // 2], "best": ranked[-1]}
    jobs = [
        PanelJob(
            image=folder.data("mr_test") / case / "image.nii.gz",
            segmentations={
                labels[name]: folder.segmentations(name) / f"{case}.nii.gz" for name in labels
            },
            reference=folder.data("mr_test") / case / "label.nii.gz",
            task="cardiac",
            output=folder.path / "pictures" / f"{rank}_{case}.png",
            title=f"Unseen MR subject {case}: DSAN's {rank} of {len(ranked)}",
            captions={labels[name]: f"mean Dice {dice[name][case]:.1f}" for name in labels},
            overwrite=True,
        )
        for rank, case in shown.items()
    ]
    (folder.path / "pictures").mkdir(exist_ok=True)
    return [
        read_picture(
            drawn.path,
            f"{job.title}: axial, coronal, sagittal and 3D views, one column a method",
            wide=True,
        )
        for job, drawn in zip(jobs, render_panels(jobs, reporter), strict=True)
    ]


def _dice_by_case(records: Sequence[ScoreRecord]) -> dict[str, dict[str, float]]:
    """Return the mean Dice in percent over structures, by method and case."""
    values: dict[str, dict[str, list[float]]] = {}
    for record in records:
        values.setdefault(record.method, {}).setdefault(record.case, []).append(record.dice or 0.0)
    return {
        method: {case: 100 * sum(dice) / len(dice) for case, dice in cases.items()}
        for method, cases in values.items()
    }


def _provenance(folder: DemoFolder) -> Provenance:
    cohorts = {name: folder.cohort(name) for name in ("ct", "mr", "mr_labelled")}
    bundles = {name: read_bundle(folder.run(name) / "bundle") for name in DESCRIPTIONS}
    seed = int(read_json(folder.state_file)["seed"])
    return Provenance(
        version=__version__,
        command=f"crossmodalseg demo --seed {seed}",
        task="cardiac",
        policy="brats",
        bundle_hashes={name: bundle.content_hash for name, bundle in bundles.items()},
        cohort_hashes={name: Cohort.open(path).content_hash for name, path in cohorts.items()},
        packages=package_versions(),
        device=bundles["dsan"].config.training.device,
        seeds={"demo": seed},
    )
