"""Options of training, and what becomes of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.train import Train, _setting_aside
from CrossModalSegLib.core.errors import OutputExistsError, RunError, StorageError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.training.run_folder import RunFolder


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    RunFolder.create(run, {"method": "dsan"})
    (run / "journal.jsonl").write_text("precious")
    return run


def test_a_new_run_needs_a_method_and_data(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(UsageError, match="--method, --preset and --source"):
        Train(run_folder=tmp_path / "run", method="dsan").run(reporter)


def test_a_resumed_run_keeps_its_settings(tmp_path: Path, reporter: Reporter) -> None:
    command = Train(run_folder=tmp_path, resume=True, method="dsan", override=("a.b=1",))
    with pytest.raises(UsageError, match="--method, --override cannot be given with --resume"):
        command.run(reporter)


def test_a_smaller_batch_is_for_resuming(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(UsageError, match=r"--override training\.batch_size=4"):
        Train(run_folder=tmp_path / "run", method="dsan", batch_size=4).run(reporter)


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        Train(run_folder=tmp_path, resume=True).run(reporter)


def test_an_existing_run_is_refused(old_run: Path) -> None:
    with pytest.raises(OutputExistsError), _setting_aside(old_run, overwrite=False):
        pass
    assert (old_run / "journal.jsonl").read_text() == "precious"


def test_an_overwritten_run_makes_room_for_the_new_one(old_run: Path) -> None:
    with _setting_aside(old_run, overwrite=True):
        assert not old_run.exists()
        old_run.mkdir()
    assert list(old_run.parent.iterdir()) == [old_run]
    assert not list(old_run.iterdir())


def test_the_old_run_comes_back_when_the_new_one_cannot_begin(
    old_run: Path, reporter: Reporter
) -> None:
    command = Train(
        run_folder=old_run,
        method="dsan",
        preset="quick",
        source=old_run / "no cohort",
        overwrite=True,
    )
    with pytest.raises(Exception, match="no cohort"):
        command.run(reporter)
    assert (old_run / "journal.jsonl").read_text() == "precious"
    assert list(old_run.parent.iterdir()) == [old_run]


def test_a_run_that_is_being_trained_is_never_replaced(old_run: Path) -> None:
    with (
        RunFolder(old_run).locked(),
        pytest.raises(RunError, match="is being trained"),
        _setting_aside(old_run, overwrite=True),
    ):
        pass


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StorageError), _setting_aside(tmp_path, overwrite=True):
        pass
    assert (tmp_path / "thesis.tex").exists()
