"""What takes a while to draw: each direction's comparison, and the page over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib import __version__
from CrossModalSegLib.cli.benchmark_data import UnseenSubjects
from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder
from CrossModalSegLib.cli.benchmark_results import Results, compare_directions, main_rows
from CrossModalSegLib.cli.benchmark_runs import runs_grid
from CrossModalSegLib.cli.benchmark_suite import SuiteDirection
from CrossModalSegLib.cli.benchmark_tables import ablation_grid, summary_grid
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.output_folders import replacing_folder
from CrossModalSegLib.evaluation.case_pictures import CaseSources
from CrossModalSegLib.evaluation.comparison import Comparison
from CrossModalSegLib.evaluation.comparison_folder import ComparisonOptions, write_comparison
from CrossModalSegLib.evaluation.figure_style import write_png
from CrossModalSegLib.evaluation.figures import LABEL_FREE_SCORE, learning_curves
from CrossModalSegLib.evaluation.provenance import (
    PROVENANCE_FILE,
    Provenance,
    package_versions,
    read_provenance,
)
from CrossModalSegLib.evaluation.report import (
    Picture,
    ReportContent,
    Section,
    build_report,
    read_picture,
)
from CrossModalSegLib.evaluation.score_table import LOWER_BOUND
from CrossModalSegLib.evaluation.tables import comparison_notes

CURVES_FILE = "label_free_scores.png"

SELECTION_QUANTITIES = (
    LABEL_FREE_SCORE,
    "source_validation_dice",
    "target_pseudo_label_loss",
)
"""Of the journals: what all methods have in common."""

SUMMARY = (
    "Labelled phantoms of the source modality and unlabelled ones of the target went in, of other "
    "subjects. The models then segmented target subjects that no training had seen. No label of "
    "the target was used but by the supervised bounds, and no test subject chose a model. Phantoms "
    "are simplified anatomy: the numbers compare methods under one budget, and say nothing about "
    "clinical accuracy."
)


@dataclass(frozen=True, kw_only=True)
class ReportWork:
    """What reports are made of.

    Attributes:
        folder: Of the benchmark.
        results: All that was measured.
        tests: The unseen subjects of each direction, by its name.
        command: The command line, for the provenance.
    """

    folder: BenchmarkFolder
    results: Results
    tests: Mapping[str, UnseenSubjects]
    command: str

    def direction_folder(self, direction: SuiteDirection) -> Path:
        """Return where a direction's comparison lies."""
        return self.folder.results / "directions" / direction.name


def write_reports(work: ReportWork, reporter: Reporter) -> None:
    """Write the comparison of each direction whose scores have changed, and the page over all.

    Raises:
        CrossModalSegError: A case's files cannot be read, or the disk is full.
        Cancelled: The job was cancelled.
    """
    sections: list[Section] = []
    notes: list[str] = []
    for direction in work.results.suite.directions:
        comparison = compare_directions(
            work.results, [direction], "patients", main_rows(work.results.suite)
        )
        if comparison is None:
            continue
        if not _is_up_to_date(work, direction, comparison):
            _write_direction(work, direction, comparison, reporter)
        sections.append(_section(work, direction, comparison))
        dice = comparison.table(comparison.directions[0], "dice")
        notes += [f"{direction.title}: {note}" for note in comparison_notes(dice)]
    build_report(_content(work, sections, notes), work.folder.report)


def _is_up_to_date(work: ReportWork, direction: SuiteDirection, comparison: Comparison) -> bool:
    """Tell whether the comparison that is there was made of these scores by this version."""
    path = work.direction_folder(direction) / PROVENANCE_FILE
    if not path.is_file():
        return False
    before = read_provenance(path)
    hashes = {str(file.path): file.content_hash for file in comparison.files}
    return dict(before.score_hashes) == hashes and before.version == __version__


def _write_direction(
    work: ReportWork, direction: SuiteDirection, comparison: Comparison, reporter: Reporter
) -> None:
    found = {name: work.results.of(direction, name) for name in main_rows(work.results.suite)}
    first = {name: trials[0] for name, trials in found.items() if trials}
    test = work.tests[direction.name]
    options = ComparisonOptions(
        command=work.command,
        against=LOWER_BOUND if LOWER_BOUND in first else "",
        cases=CaseSources(
            task=TASKS[direction.task],
            references=test.references,
            predictions={name: trial.folder.segmentations for name, trial in first.items()},
            images=test.images,
            image_stem=test.image_stem,
        ),
        title=f"{direction.title}: first seed of each row",
        metrics=direction.metrics,
    )
    journals = {name: trial.folder.run / "journal.jsonl" for name, trial in first.items()}
    with replacing_folder(work.direction_folder(direction)) as partial:
        write_comparison(partial, comparison, options, reporter)
        _write_curves(partial, journals, work.results.labels)


def _write_curves(folder: Path, journals: Mapping[str, Path], labels: Mapping[str, str]) -> None:
    """Draw the label-free scores of all rows, and everything of each row on a sheet of its own."""
    shared = learning_curves(journals, labels, SELECTION_QUANTITIES)
    write_png(folder / CURVES_FILE, shared)
    (folder / "learning_curves").mkdir()
    for name, journal in journals.items():
        figure = learning_curves({name: journal}, labels)
        write_png(folder / "learning_curves" / f"{name}.png", figure)


def _section(work: ReportWork, direction: SuiteDirection, comparison: Comparison) -> Section:
    folder = work.direction_folder(direction)
    scored = comparison.directions[0]
    pictures = [
        *_pictures(folder / "cases", "typical_*.png", f"{direction.title}: typical case"),
        *_pictures(folder / "figures", "box_dice_*.png", f"{direction.title}: Dice, box plots"),
        *_pictures(
            folder, CURVES_FILE, f"{direction.title}: label-free scores by which models were chosen"
        ),
    ]
    metrics = [metric for metric in direction.metrics if metric in comparison.metrics]
    return Section(
        title=direction.title,
        text="Tables and pictures: first seed of each row, deviations across patients.",
        tables=tuple(comparison.table(scored, metric) for metric in metrics),
        pictures=tuple(pictures),
    )


def _pictures(folder: Path, pattern: str, caption: str) -> list[Picture]:
    return [
        read_picture(path, caption, caption, wide=True) for path in sorted(folder.glob(pattern))
    ]


def _content(work: ReportWork, sections: Sequence[Section], notes: Sequence[str]) -> ReportContent:
    results = work.results
    overview = Section(title="All directions", grids=(summary_grid(results),))
    ablations = ablation_grid(results)
    further = [Section(title="Ablations", grids=(ablations,))] if ablations.rows else []
    further.append(Section(title="Trainings", grids=(runs_grid(results),), is_folded=True))
    return ReportContent(
        title=results.suite.title,
        summary=SUMMARY,
        notes=tuple(notes),
        sections=(overview, *sections, *further),
        provenance=Provenance(
            version=__version__,
            command=work.command,
            task=", ".join(dict.fromkeys(d.task for d in results.suite.directions)),
            policy="brats",
            packages=package_versions(),
        ),
        facts={"Trainings": str(sum(bool(result.records) for result in results.trials))},
        commands=(work.command,),
        is_sortable=True,
    )
