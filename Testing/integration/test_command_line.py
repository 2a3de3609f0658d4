"""The main job from the command line, small: phantom, prepare, train, segment, evaluate."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.main import main
from CrossModalSegLib.data.volume_files import read_image, read_labels

ROOT = Path(__file__).parents[2]

GRID = ("--matrix", "16", "12", "16", "--spacing", "9", "9", "9")
SLICES = ("--task", "cardiac", "--matrix", "32", "32", "--spacing", "6", "6")

TINY = {
    "method.iterations": "6",
    "method.backbone.width": "4",
    "method.backbone.levels": "3",
    "training.batch_size": "3",
    "training.log_every": "1",
    "training.checkpoint_every": "3",
    "training.validate_every": "3",
    "training.preview_every": "6",
}


def overrides(**changes: str) -> list[str]:
    settings = TINY | {name.replace("__", "."): value for name, value in changes.items()}
    return [word for key, value in settings.items() for word in ("--override", f"{key}={value}")]


def crossmodalseg(*words: str | Path) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make volumes, cohorts and a trained run; what users would have after their first hour."""
    folder = tmp_path_factory.mktemp("naïve user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CROSSMODALSEG_HOME", str(folder / "home"))
        silent = ("--progress", "silent")
        for modality, axes in (("ct", "LPS"), ("mr_bssfp", "LIP")):
            phantom = ("phantom", "cardiac", "--modality", modality, "--subjects", "3", *GRID)
            assert (
                crossmodalseg(*phantom, "--orientation", axes, "--output", modality, *silent) == 0
            )
            prepare = ("prepare", "--dataset", "auto", "--root", modality, "--modality", modality)
            labels = "required" if modality == "ct" else "ignored"
            output = f"cohort {modality}"
            options = ("--labels", labels, "--test-fraction", "0", "--output", output)
            assert crossmodalseg(*prepare, *SLICES, *options, *silent) == 0
        train = ("train", "--method", "source_only", "--preset", "quick", "--device", "cpu")
        cohorts = ("--source", "cohort ct", "--target", "cohort mr_bssfp")
        assert crossmodalseg(*train, *cohorts, "--run", "run", *overrides(), *silent) == 0
        yield folder


@pytest.fixture
def errors(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda: capsys.readouterr().err


@contextmanager
def started(work: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start the program in a process of its own, with pipes on all three streams."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CROSSMODALSEG_HOME": str(work / "home"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "CrossModalSegLib", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=work, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8"
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def long_training(run: str) -> list[str]:
    cohorts = ["--source", "cohort ct", "--target", "cohort mr_bssfp"]
    settings = overrides(method__iterations="100000", training__checkpoint_every="100000")
    options = ["--method", "source_only", "--preset", "quick", "--device", "cpu"]
    return ["train", *options, *cohorts, "--run", run, "--progress", "json", *settings]


def events_until(process: subprocess.Popen[str], kind: str) -> list[dict[str, Any]]:
    """Read events up to the first of a kind."""
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        if events[-1]["event"] == kind:
            break
    return events


def journal_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines()]


def test_a_folder_is_segmented_and_scored(work: Path) -> None:
    segment = ("segment", "--model", "run/bundle", "--input", "mr_bssfp", "--output", "masks")
    assert crossmodalseg(*segment, "--device", "cpu", "--progress", "silent") == 0
    for case in (work / "mr_bssfp").glob("*/"):
        image = read_image(case / "image.nii.gz")
        mask = read_labels(work / "masks" / f"{case.name}.nii.gz")
        assert mask.shape_kji == image.shape_kji
        np.testing.assert_allclose(mask.affine_ras, image.affine_ras, atol=1e-4)
    evaluate = ("evaluate", "--task", "cardiac", "--predictions", "masks")
    provenance = ("--model", "run/bundle", "--cohort", "cohort mr_bssfp")
    folders = ("--references", "mr_bssfp", "--output", "scores", *provenance)
    assert crossmodalseg(*evaluate, *folders, "--progress", "silent") == 0
    records = json.loads((work / "scores" / "scores.json").read_text())
    assert len(records) == 3 * 4
    assert {record["method"] for record in records} == {"masks"}
    noted = json.loads((work / "scores" / "provenance.json").read_text())
    assert len(noted["bundle_hashes"]["masks"]) == len(noted["cohort_hashes"]["references"]) == 64


def test_one_volume_becomes_a_file_of_the_format_that_its_name_asks_for(work: Path) -> None:
    case = next((work / "mr_bssfp").glob("*/"))
    output = work / "one.seg.nrrd"
    segment = ("segment", "--model", "run/bundle", "--input", case / "image.nii.gz")
    assert crossmodalseg(*segment, "--output", output, "--progress", "silent") == 0
    assert output.read_bytes().startswith(b"NRRD")


@pytest.mark.parametrize(
    "words",
    [
        ("phantom", "cardiac", "--modality", "ct", "--subjects", "1", "--output", "ct"),
        (
            *("prepare", "--root", "ct", "--modality", "ct", "--output", "cohort ct"),
            *("--task", "cardiac"),
        ),
        (
            *("train", "--method", "source_only", "--preset", "quick", "--run", "run"),
            *("--source", "cohort ct", "--target", "cohort mr_bssfp"),
        ),
        ("models", "export", "stored", "run"),
    ],
)
def test_an_output_that_exists_is_refused(work: Path, errors: Any, words: Sequence[str]) -> None:
    before = sorted(work.rglob("*"))
    if words[0] == "models":
        crossmodalseg("models", "import", "run/bundle", "--name", "stored", "--overwrite")
        before = sorted(work.rglob("*"))
    assert crossmodalseg(*words) == 1
    message = errors()
    assert "exists" in message
    assert "--overwrite" in message
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--method": "source_onyl"}, "Did you mean 'source_only'"),
        ({"--preset": "quikc"}, "Did you mean 'quick'"),
        ({"--override": "method.iteration=1"}, "Did you mean 'iterations'"),
        ({"--source": "cohort mr_bssfp"}, "label"),
        ({"--source": "nowhere"}, "nowhere"),
    ],
)
def test_a_training_that_cannot_begin_says_why_and_leaves_nothing(
    work: Path, errors: Any, options: dict[str, str], message: str
) -> None:
    given = {
        "--method": "source_only",
        "--preset": "quick",
        "--source": "cohort ct",
        "--target": "cohort mr_bssfp",
        "--run": "impossible",
        **options,
    }
    words = [word for pair in given.items() for word in pair]
    assert crossmodalseg("train", *words) == 1
    assert message in errors()
    assert not (work / "impossible").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--modality", "ct"), "mr_bssfp"),
        (("--task", "abdomen"), "cardiac"),
    ],
)
def test_a_model_for_something_else_is_refused(
    work: Path, errors: Any, options: Sequence[str], message: str
) -> None:
    segment = ("segment", "--model", "run/bundle", "--input", "mr_bssfp", "--output", "wrong")
    assert crossmodalseg(*segment, *options) == 1
    assert message in errors()
    assert not (work / "wrong").exists()


def test_a_model_travels(work: Path, errors: Any) -> None:
    assert crossmodalseg("models", "import", "run/bundle", "--name", "mine") == 0
    assert crossmodalseg("models", "list") == 0
    assert crossmodalseg("models", "info", "mine") == 0
    assert crossmodalseg("models", "export", "mine", "mine.zip") == 0
    assert crossmodalseg("models", "delete", "mine") == 0
    assert crossmodalseg("models", "info", "mine") == 1
    errors()
    assert crossmodalseg("models", "import", "mine.zip", "--name", "mine") == 0
    assert crossmodalseg("models", "info", "mien") == 1
    assert "Did you mean 'mine'" in errors()
    assert (work / "home" / "models" / "mine").is_dir()


def test_json_progress_is_nothing_but_events_and_the_journal_has_them_all(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ("train", "--method", "source_only", "--preset", "quick", "--device", "cpu")
    cohorts = ("--source", "cohort ct", "--target", "cohort mr_bssfp", "--run", "json run")
    assert crossmodalseg(*train, *cohorts, *overrides(), "--progress", "json") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(event["v"] == 1 and event["job"] == "main" for event in events)
    assert {"stage", "progress", "metrics", "preview", "done"} <= {e["event"] for e in events}
    assert events[-1]["event"] == "done"
    assert Path(events[-1]["outputs"][0]).name == "bundle"
    assert journal_of(work / "json run") == events


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_leaves_a_run_that_can_be_resumed(work: Path) -> None:
    with started(work, *long_training("interrupted")) as process:
        events_until(process, "progress")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    kinds = [json.loads(line)["event"] for line in out.splitlines()]
    assert kinds[-1] == "cancelled"
    assert kinds[-2] == "warning"  # how to go on
    run = work / "interrupted"
    assert not (run / "run.lock").exists()
    config = json.loads((run / "config.json").read_text())
    step = [event["done"] for event in journal_of(run) if event["event"] == "progress"][-1]
    config["settings"]["method"]["iterations"] = step + 2
    (run / "config.json").write_text(json.dumps(config))
    resumed = ("train", "--run", "interrupted", "--resume", "--device", "cpu")
    assert crossmodalseg(*resumed, "--progress", "silent") == 0
    assert (run / "bundle" / "models" / "model.safetensors").is_file()
    assert journal_of(run)[-1]["summary"]["iterations"] == step + 2


def test_a_line_on_standard_input_cancels_and_its_end_does_not(work: Path) -> None:
    with started(work, *long_training("told to stop")) as process:
        assert process.stdin is not None
        events_until(process, "progress")
        process.stdin.write('{"v": 1, "job": "main", "command": "cancel"}\n')
        out, err = process.communicate(timeout=30)  # closes standard input too
    assert process.returncode == 130, err
    assert json.loads(out.splitlines()[-1])["event"] == "cancelled"
    assert (work / "told to stop" / "checkpoints" / "last.ckpt").is_file()
