"""Tables of made-up scores against hand numbers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from CrossModalSegLib.cli.benchmark_notes import settings_notes
from CrossModalSegLib.cli.benchmark_results import read_results
from CrossModalSegLib.cli.benchmark_runs import read_facts, training_seconds
from CrossModalSegLib.cli.benchmark_tables import write_tables
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.score_folder import write_score_folder
from Testing.unit.made_benchmark import MadeBenchmark, made_record

CT_TO_MR, MR_TO_CT = "Cardiac CT to MR", "Cardiac MR to CT"


@pytest.fixture
def made(tmp_path: Path) -> MadeBenchmark:
    return MadeBenchmark(tmp_path / "benchmark")


def test_an_empty_benchmark_says_not_run_everywhere(made: MadeBenchmark) -> None:
    summary = made.table("summary")
    assert summary["DSAN"][f"{CT_TO_MR} | Dice (%)"] == "not run"
    bound = summary["Supervised, all modalities"]
    assert bound[f"{CT_TO_MR} | Dice (%)"] == "-"  # no part of that direction
    assert bound["Brain T1 to T2 | Dice (%)"] == "not run"
    assert made.table("ablations")["GLUA: D1 + D2"][f"{CT_TO_MR} | Dice (%)"] == "not run"
    assert not list((made.folder.results / "papers").rglob("*.csv"))


def test_the_summary_holds_means_shares_of_the_gap_and_gains(made: MadeBenchmark) -> None:
    made.add("source_only", [0.2, 0.4])
    made.add("source_only_augmented", [0.5, 0.5])
    made.add("dsan", [0.6, 0.8])
    made.add("supervised", [0.9, 0.9])
    row = made.table("summary")["DSAN"]
    assert row[f"{CT_TO_MR} | Dice (%)"] == "70.0"
    assert row[f"{CT_TO_MR} | Gap closed"] == "67 %"  # (70 - 30) / (90 - 30)
    assert row[f"{CT_TO_MR} | Gain"] == "+20.0"  # 70 - 50
    assert row[f"{MR_TO_CT} | Dice (%)"] == "not run"
    augmented = made.table("summary")["Source only, augmented"]
    assert augmented[f"{CT_TO_MR} | Gap closed"] == "33 %"
    assert augmented[f"{CT_TO_MR} | Gain"] == "-"  # it is what others are compared with


def test_several_seeds_have_a_mean_and_a_deviation_across_runs(made: MadeBenchmark) -> None:
    made.add("source_only", [0.2, 0.4])
    made.add("supervised", [0.8, 1.0])
    made.add("dsan", [0.5, 0.7], seed=0)
    made.add("dsan", [0.7, 0.9], seed=3)
    row = made.table("summary")["DSAN"]
    assert row[f"{CT_TO_MR} | Dice (%)"] == "70.0 ± 10.0"
    assert row[f"{CT_TO_MR} | Gap closed"] == "67 %"
    content = json.loads((made.folder.results / "summary.json").read_text(encoding="utf-8"))
    assert (
        f"{CT_TO_MR}: seed 0: Source only, Supervised on target; seeds 0, 3: DSAN."
        in content["notes"]
    )


def test_rows_of_different_presets_or_of_older_settings_are_named(made: MadeBenchmark) -> None:
    made.add("source_only", [0.2])
    path = made.add("dsan", [0.6])
    assert not settings_notes(read_results(made.folder, made.suite))
    state = json.loads((path / "trial.json").read_text())
    older = {**state, "settings": {**state["settings"], "training": {"batch_size": 99}}}
    (path / "trial.json").write_text(json.dumps(older))
    (note,) = settings_notes(read_results(made.folder, made.suite))
    assert note == f"{CT_TO_MR}: trained with other settings than their preset has now: DSAN."
    (path / "trial.json").write_text(json.dumps({**state, "preset": "small"}))
    notes = settings_notes(read_results(made.folder, made.suite))
    assert f"{CT_TO_MR}: of different presets, which do not compare: " in notes[0]
    assert "quick: Source only; small: DSAN." in notes[0]
    (path / "trial.json").write_text(json.dumps({**state, "preset": "forgotten"}))
    assert settings_notes(read_results(made.folder, made.suite))[1].endswith("has now: DSAN.")


def test_a_gain_is_against_the_source_only_row_with_the_same_augmentation(
    made: MadeBenchmark,
) -> None:
    made.add("source_only", [0.2])
    made.add("source_only_augmented", [0.5])
    path = made.add("dsan", [0.7])
    assert made.table("summary")["DSAN"][f"{CT_TO_MR} | Gain"] == "+20.0"
    state = json.loads((path / "trial.json").read_text())
    identity = dict.fromkeys(state["settings"]["method"]["appearance"], 0.0) | {"remap_knots": 6}
    state["settings"]["method"]["appearance"] = identity
    (path / "trial.json").write_text(json.dumps(state))
    assert made.table("summary")["DSAN"][f"{CT_TO_MR} | Gain"] == "+50.0"
    state["settings"]["method"]["appearance"] |= {"noise": 0.9}
    (path / "trial.json").write_text(json.dumps(state))
    assert made.table("summary")["DSAN"][f"{CT_TO_MR} | Gain"] == "-"


def test_ablations_are_compared_with_the_whole_method_on_common_seeds(made: MadeBenchmark) -> None:
    made.add("dsan", [0.6], seed=0)
    made.add("dsan", [0.8], seed=1)
    made.add("dsan", [0.9], seed=2)
    made.add("dsan_no_semantic", [0.5], seed=0)
    made.add("dsan_no_semantic", [0.5], seed=1)
    table = made.table("ablations")
    assert table["DSAN"][f"{CT_TO_MR} | Change"] == "-"
    row = table["DSAN without L_secadv"]
    assert row[f"{CT_TO_MR} | Dice (%)"] == "50.0 ± 0.0"
    assert row[f"{CT_TO_MR} | Change"] == "-20.0"  # not against the seed that it lacks
    assert row[f"{CT_TO_MR} | ASSD (voxel)"] == "5.0 ± 0.0"
    assert "DSAN without L_secadv" not in made.table("summary")


def test_papers_print_not_run_where_a_row_or_a_direction_is_missing(made: MadeBenchmark) -> None:
    made.add("source_only", [0.2, 0.4])
    made.add("dsan", [0.6, 0.8])
    write_tables(made.folder, made.suite)
    folder = made.folder.results / "papers" / "cardiac" / "across_patients"
    with (folder / "bigl_6.csv").open(encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    rows = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    assert rows["DSAN"][f"{CT_TO_MR} | Avg."] == "70.0"
    assert rows["DSAN"][f"{MR_TO_CT} | Avg."] == "not run"
    assert rows["GLUA"][f"{CT_TO_MR} | AA"] == "not run"
    assert "Supervised on target" in rows
    table = (folder / "bigl_1_cardiac_ct_to_mr.md").read_text(encoding="utf-8")
    assert "70.00±10.00" in table  # population deviation across the two patients
    assert "across patients" in table
    assert not (folder.parent.parent / "brain").exists()


def test_deviations_across_runs_stand_in_tables_of_their_own(made: MadeBenchmark) -> None:
    made.add("dsan", [0.5, 0.7], seed=0)
    made.add("dsan", [0.7, 0.9], seed=1)
    write_tables(made.folder, made.suite)
    folder = made.folder.results / "papers" / "cardiac"
    runs = (folder / "across_runs" / "glua_1.md").read_text(encoding="utf-8")
    assert "Standard deviation" in runs
    assert "| 10.00 |" in runs
    first = (folder / "across_patients" / "dsan_2.csv").read_text(encoding="utf-8")
    assert "60.00" in first  # of the first seed alone


def test_the_brain_upper_bound_competes_with_no_method(made: MadeBenchmark) -> None:
    made.add("dsan", [0.6], direction="brain_t1_to_t2")
    made.add("supervised_multimodal", [0.95], direction="brain_t1_to_t2")
    write_tables(made.folder, made.suite)
    path = made.folder.results / "papers" / "brain" / "across_patients" / "bigl_1.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    best = {row["cells"]["Method"]: row["best"] for row in rows}
    assert best["DSAN"] == ["WT", "TC", "ET", "Average"]
    assert best["Supervised, all modalities"] == []
    assert list(best)[-2:] == ["Supervised on target", "Supervised, all modalities"]


def test_rows_stand_in_the_order_of_the_papers_and_only_where_they_belong(
    made: MadeBenchmark,
) -> None:
    made.add("source_only", [0.2], direction="brain_t2_to_flair")
    assert list(made.table("summary")) == [
        *("Source only", "Source only, augmented", "Source only, random intensity maps"),
        *("BiGL", "DSAN", "GLUA", "Supervised on target", "Supervised, all modalities"),
    ]
    path = made.folder.results / "papers" / "whole_tumour" / "across_patients" / "dsan_3.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        names = [line[0] for line in csv.reader(stream)]
    assert names == [
        *("Method", "Supervised on target", "Source only", "Source only, augmented"),
        *("Source only, random intensity maps", "BiGL", "DSAN", "GLUA"),
    ]


def test_every_table_is_there_in_all_forms(made: MadeBenchmark) -> None:
    made.add("dsan", [0.6])
    write_tables(made.folder, made.suite)
    for name in ("summary", "ablations", "runs"):
        forms = {path.suffix for path in made.folder.results.glob(f"{name}.*")}
        assert forms == {".csv", ".json", ".md", ".tex"}


def test_runs_say_how_and_when_models_were_chosen(made: MadeBenchmark) -> None:
    path = made.add("dsan", [0.6])
    config = path / "run" / "bundle" / "configs" / "config.json"
    config.parent.mkdir(parents=True)
    training = {"iterations": 90, "chosen_iteration": 60, "selection_score": 0.5, "device": "cpu"}
    config.write_text(json.dumps({"training": training}))
    events = [
        {"event": "stage", "time": 100.0},
        {"event": "metrics", "time": 130.0},
        {"event": "stage", "time": 1000.0},  # nobody trained in between
        {"event": "metrics", "time": 1090.0},
    ]
    (path / "run" / "journal.jsonl").write_text("".join(f"{json.dumps(e)}\n" for e in events))
    last = path / "last"
    last.mkdir()
    records = [
        made_record("dsan", "case_0", region, 0.55) for region in ("AA", "LAC", "LVC", "MYO")
    ]
    write_score_folder(last, records, Provenance(version="0", command="", task="", policy="brats"))
    write_tables(made.folder, made.suite)
    rows = json.loads((made.folder.results / "runs.json").read_text(encoding="utf-8"))["rows"]
    (cells,) = (row["cells"] for row in rows if row["cells"]["Dice (%)"] == "60.0")
    assert cells["Hindsight"] == "+5.0"
    assert (cells["Chosen"], cells["Iterations"]) == ("60", "90")
    assert cells["Minutes"] == "2.0"
    assert cells["Memory (MiB)"] == "512"
    assert cells["Code"] == "abcdef01"
    others = [row["cells"]["Dice (%)"] for row in rows if row["cells"]["Seed"] == ""]
    assert set(others) == {"not run"}


def test_a_failed_or_unfinished_training_has_no_scores_and_says_why(made: MadeBenchmark) -> None:
    path = made.add("dsan", [0.6])
    (path / "scores" / "scores.json").unlink()
    state = json.loads((path / "trial.json").read_text())
    for status, text in (("failed", "failed"), ("begun", "unfinished")):
        (path / "trial.json").write_text(json.dumps({**state, "status": status}))
        write_tables(made.folder, made.suite)
        rows = json.loads((made.folder.results / "runs.json").read_text(encoding="utf-8"))["rows"]
        assert [r["cells"]["Dice (%)"] for r in rows if r["cells"]["Seed"] == "0"] == [text]
        assert made.table("summary")["DSAN"][f"{CT_TO_MR} | Dice (%)"] == "not run"


def test_what_is_not_known_of_a_run_is_none(made: MadeBenchmark) -> None:
    made.add("dsan", [0.6])
    (result,) = read_results(made.folder, made.suite).trials
    facts = read_facts(result.folder, "dsan")
    assert (facts.iterations, facts.seconds, facts.last_dice) == (None, None, None)


def test_time_is_counted_while_somebody_trains(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_text('{"event": "stage", "time": 5}\n{"event": "metrics", "time": 8}\n{"half')
    assert training_seconds(journal) == 3.0
