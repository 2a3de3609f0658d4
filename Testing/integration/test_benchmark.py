"""The benchmark at a tiny size: everything it promises, and what interruptions leave of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.cli import benchmark_job
from CrossModalSegLib.cli.benchmark import Benchmark
from CrossModalSegLib.cli.command import NegativeAnswer
from CrossModalSegLib.core.errors import Cancelled, RunError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.evaluation.records import record_to_dict
from CrossModalSegLib.evaluation.scores import evaluate_folder
from CrossModalSegLib.training.folder_lock import locked

SUITE = """
title = "Tiny benchmark"
overrides = [
    "method.iterations=4",
    "method.backbone.width=4",
    "method.backbone.levels=3",
    "training.batch_size=2",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.validate_every=2",
    "training.preview_every=4",
]

[data.cardiac]
phantom = "cardiac"
seed = 3
training_subjects = 3
test_subjects = 2
matrix = [32, 32]
spacing_mm = [6.0, 6.0]

[[directions]]
name = "ct_to_mr"
title = "CT to MR"
group = "cardiac"
data = "cardiac"
task = "cardiac"
source = "ct"
target = "mr_bssfp"

[[directions]]
name = "mr_to_ct"
title = "MR to CT"
group = "cardiac"
data = "cardiac"
task = "cardiac"
source = "mr_bssfp"
target = "ct"

[[rows]]
name = "source_only"
method = "source_only"

[[rows]]
name = "supervised"
method = "supervised"

[[rows]]
name = "diverging"
method = "source_only"
title = "Source only, too fast"
overrides = ["method.learning_rate=1e30"]

[[rows]]
name = "dsan"
method = "dsan"

[[rows]]
name = "dsan_no_semantic"
method = "dsan"
title = "DSAN without semantics"
ablation_of = "dsan"
overrides = ["method.semantic_adversarial=false"]
"""

ROWS = ("source_only", "supervised", "dsan")


class Killed(BaseException):
    """What ends a process at once, without a chance to save anything."""


class Played:
    """A benchmark that was killed, then cancelled, and finished by the same command."""

    def __init__(self, folder: Path) -> None:
        suite = folder / "tiny suite.toml"
        suite.write_text(SUITE, encoding="utf-8")
        self.output = folder / "bénchmark output"
        self.command = Benchmark(
            suite=str(suite),
            output=self.output,
            preset="quick",
            tasks=("ct_to_mr",),
            methods=("source_only", "supervised", "diverging", "dsan"),
            device="cpu",
        )
        self.events: list[Event] = []

    def trial(self, row: str, seed: int = 0, direction: str = "ct_to_mr") -> Path:
        return self.output / "trials" / direction / row / f"seed_{seed}"

    def state(self, row: str) -> dict[str, Any]:
        content: dict[str, Any] = read(self.trial(row) / "trial.json")
        return content

    def play(self) -> None:
        cancel = CancelToken()

        def die_in_dsan(event: Event) -> None:
            if event["event"] == "metrics" and "rec_t" in event["values"]:
                raise Killed

        def stop_in_dsan(event: Event) -> None:
            if event["event"] == "metrics" and "rec_t" in event["values"]:
                cancel.set()

        with pytest.raises(Killed):
            self.command.run(Reporter(sinks=[die_in_dsan]))
        self.killed = self.state("dsan")
        self.has_checkpoint = (self.trial("dsan") / "run" / "checkpoints" / "last.ckpt").is_file()
        with pytest.raises(Cancelled):
            self.command.run(Reporter(sinks=[stop_in_dsan], cancel=cancel))
        self.begun = self.state("dsan")
        self.journals = {row: self.journal(row) for row in ("source_only", "supervised", "dsan")}
        with pytest.raises(NegativeAnswer):  # one row cannot succeed
            self.command.run(Reporter(sinks=[self.events.append]))

    def journal(self, row: str) -> bytes:
        return (self.trial(row) / "run" / "journal.jsonl").read_bytes()

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Return a benchmark that was played once; tests only add to it."""
    benchmark = Played(tmp_path_factory.mktemp("benchmark"))
    benchmark.play()
    return benchmark


def test_what_was_stopped_goes_on_and_what_was_finished_stays(played: Played) -> None:
    assert played.killed["status"] == played.begun["status"] == "begun"
    assert not played.has_checkpoint  # so that it had to begin again
    assert played.journal("source_only") == played.journals["source_only"]
    assert played.journal("supervised") == played.journals["supervised"]
    assert played.journal("dsan").startswith(played.journals["dsan"])
    steps = [e["step"] for e in map(json.loads, played.journal("dsan").splitlines()) if "step" in e]
    assert max(steps) == 4
    assert played.state("dsan")["status"] == "finished"
    assert played.state("dsan")["peak_memory_mb"] > 50


@pytest.mark.usefixtures("no_report")
def test_the_same_call_trains_nothing_when_all_is_finished(played: Played) -> None:
    before = played.journal("source_only")
    replace(played.command, methods=("source_only",)).run(Reporter())
    assert played.journal("source_only") == before


def test_one_bar_shows_the_whole(played: Played) -> None:
    shares = [e["done"] for e in played.of("progress") if e["stage"] == "benchmark"]
    assert shares == sorted(shares)
    assert shares[-1] == 1000
    trained = {e["stage"] for e in played.of("progress") if e["stage"].startswith("train ")}
    assert "train ct_to_mr/dsan/seed_0" in trained
    assert len(played.of("done")) == 1


def test_a_row_that_fails_is_told_and_does_not_stop_the_others(played: Played) -> None:
    (told,) = (e for e in played.of("warning") if e["kind"] == "failed_trial")
    assert "ct_to_mr/diverging/seed_0 failed" in told["message"]
    assert "is not a number" in told["message"]
    state = played.state("diverging")
    assert state["status"] == "failed"
    assert "is not a number" in state["error"]["message"]
    (done,) = played.of("done")
    assert [entry["trial"] for entry in done["summary"]["failed"]] == ["ct_to_mr/diverging/seed_0"]
    rows = {row["Method"]: row for row in done["summary"]["results"]}
    assert rows["Source only, too fast"]["CT to MR | Dice (%)"] == "not run"


def test_scores_are_those_of_the_segmentations(played: Played) -> None:
    test = played.output / "data" / "cardiac" / "mr_bssfp_test"
    for row in ("source_only", "dsan"):
        segmentations = played.trial(row) / "segmentations"
        again = evaluate_folder(segmentations, test, TASKS["cardiac"], row, "brats", Reporter())
        assert read(played.trial(row) / "scores" / "scores.json") == [
            record_to_dict(record) for record in again
        ]
        for case in (path.name for path in test.iterdir()):
            image = read_image(test / case / "image.nii.gz")
            labels = read_segmentation(segmentations / f"{case}.nii.gz", TASKS["cardiac"])
            assert labels.shape_kji == image.shape_kji


def test_tables_hold_the_means_of_the_scores(played: Played) -> None:
    results = played.output / "results"
    summary = {
        row["cells"]["Method"]: row["cells"] for row in read(results / "summary.json")["rows"]
    }
    means = {row: mean_dice(played, row) for row in ROWS}
    titles = {"source_only": "Source only", "supervised": "Supervised on target", "dsan": "DSAN"}
    for row, title in titles.items():
        assert summary[title]["CT to MR | Dice (%)"] == f"{means[row]:.1f}"
        assert summary[title]["MR to CT | Dice (%)"] == "not run"
    gap = means["supervised"] - means["source_only"]
    if gap > 0:
        share = (means["dsan"] - means["source_only"]) / gap
        assert summary["DSAN"]["CT to MR | Gap closed"] == f"{100 * share:.0f} %"
    paper = results / "papers" / "cardiac" / "across_patients" / "glua_1.json"
    rows = {row["cells"]["Method"]: row["cells"] for row in read(paper)["rows"]}
    assert rows["DSAN"]["CT to MR | Dice (%) ↑ | Avg"] == f"{means['dsan']:.2f}"
    assert rows["DSAN"]["MR to CT | Dice (%) ↑ | Avg"] == "not run"
    for suffix in (".csv", ".json", ".md", ".tex"):
        assert "not run" in paper.with_suffix(suffix).read_text(encoding="utf-8")


def mean_dice(played: Played, row: str) -> float:
    records: list[dict[str, Any]] = read(played.trial(row) / "scores" / "scores.json")
    regions = {record["region"] for record in records}
    by_region = [[float(r["dice"]) for r in records if r["region"] == n] for n in regions]
    return 100 * sum(sum(values) / len(values) for values in by_region) / len(by_region)


def test_the_report_shows_every_scored_row(played: Played) -> None:
    report = (played.output / "report.html").read_text(encoding="utf-8")
    assert "DSAN without semantics" in report
    assert "CT to MR" in report
    assert "not run" in report
    assert 'src="http' not in report
    folder = played.output / "results" / "directions" / "ct_to_mr"
    assert (folder / "report.html").is_file()
    assert sorted(path.stem for path in (folder / "learning_curves").iterdir()) == sorted(ROWS)
    assert list((folder / "cases").glob("typical_*.png"))
    assert list((folder / "figures").glob("box_dice*.png"))


def test_hindsight_is_of_the_last_iteration_and_chooses_nothing(played: Played) -> None:
    for row in ROWS:
        folder = played.trial(row)
        training = read(folder / "run" / "bundle" / "configs" / "config.json")["training"]
        chosen, last = (read(folder / name / "scores.json") for name in ("scores", "last"))
        if training["chosen_iteration"] == training["iterations"]:
            assert chosen == last
        assert {r["case"] for r in chosen} == {r["case"] for r in last}
        assert not (folder / "looking_back").exists()


def test_adapted_rows_never_open_a_label_of_the_target(played: Played) -> None:
    cohorts = played.output / "cohorts" / "cardiac" / "cardiac"
    assert not list((cohorts / "mr_bssfp_train_unlabelled").rglob("label.npy"))
    tested = {
        path.name for path in (played.output / "data" / "cardiac" / "mr_bssfp_test").iterdir()
    }
    for cohort in cohorts.iterdir():
        subjects = {case["subject"] for case in read(cohort / "cohort.json")["cases"]}
        assert not subjects & tested
    for row in ("source_only", "dsan"):
        used = read(played.trial(row) / "run" / "config.json")["cohorts"]
        assert Path(used["source"]["path"]).name == "ct_train_labelled"
        assert Path(used["target"]["path"]).name == "mr_bssfp_train_unlabelled"
    used = read(played.trial("supervised") / "run" / "config.json")["cohorts"]
    assert Path(used["source"]["path"]).name == "mr_bssfp_train_labelled"
    assert used["target"] is None


def test_targets_have_other_subjects_than_sources(played: Played) -> None:
    cohorts = played.output / "cohorts" / "cardiac" / "cardiac"
    subjects = [
        {case["subject"] for case in read(cohorts / name / "cohort.json")["cases"]}
        for name in ("ct_train_labelled", "mr_bssfp_train_unlabelled")
    ]
    assert all(subjects)
    assert not subjects[0] & subjects[1]


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report as it is: drawing takes longer than these trainings."""
    monkeypatch.setattr(benchmark_job, "write_reports", lambda *_: None)


@pytest.mark.usefixtures("no_report")
def test_a_second_seed_and_an_ablation_are_added(played: Played) -> None:
    before = played.journal("dsan")
    part = replace(played.command, methods=("source_only",), seeds=(0, 1))
    part.run(Reporter())
    ablation = replace(played.command, methods=("dsan_no_semantic",))
    ablation.run(Reporter())
    assert played.journal("dsan") == before
    runs = read(played.output / "results" / "runs.json")["rows"]
    seeds = {row["cells"]["Seed"] for row in runs if row["cells"]["Row"] == "Source only"}
    assert seeds >= {"0", "1"}
    summary = read(played.output / "results" / "summary.json")["rows"]
    (cells,) = (row["cells"] for row in summary if row["cells"]["Method"] == "Source only")
    assert "±" in cells["CT to MR | Dice (%)"]
    ablations = read(played.output / "results" / "ablations.json")["rows"]
    assert [row["cells"]["Method"] for row in ablations] == ["DSAN", "DSAN without semantics"]
    assert ablations[1]["cells"]["CT to MR | Change"] != ""
    config = read(played.trial("dsan_no_semantic") / "run" / "config.json")
    assert config["settings"]["method"]["semantic_adversarial"] is False


@pytest.mark.usefixtures("no_report")
def test_changed_settings_are_refused_until_they_are_asked_for(
    played: Played, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.toml"
    changed.write_text(SUITE.replace("iterations=4", "iterations=2"), encoding="utf-8")
    command = replace(played.command, suite=str(changed), methods=("dsan",))
    before = played.journal("dsan")
    with pytest.raises(RunError, match=r"method\.iterations was 4, is 2"):
        command.run(Reporter())
    assert played.journal("dsan") == before
    copy = tmp_path / "copy"
    shutil.copytree(played.output, copy)
    replace(command, output=copy, overwrite=True).run(Reporter())
    trial = copy / "trials" / "ct_to_mr" / "dsan" / "seed_0"
    assert read(trial / "trial.json")["settings"]["method"]["iterations"] == 2
    assert read(trial / "run" / "bundle" / "configs" / "config.json")["training"]["iterations"] == 2


def test_two_benchmarks_do_not_share_a_folder(played: Played) -> None:
    with (
        locked(played.output / "benchmark.lock", "A benchmark is being run", "Wait."),
        pytest.raises(RunError, match=r"A benchmark is being run in .* by process"),
    ):
        played.command.run(Reporter())
