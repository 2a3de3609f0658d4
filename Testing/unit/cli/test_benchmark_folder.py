"""Whose folder it is, and whether what lies there goes with what is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from CrossModalSegLib.cli.benchmark_folder import open_folder
from CrossModalSegLib.cli.benchmark_suite import Suite, load_suite
from CrossModalSegLib.core.errors import OutputExistsError, RunError
from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("phantom")


def test_the_same_suite_goes_on_in_its_folder(tmp_path: Path, suite: Suite) -> None:
    folder = open_folder(tmp_path / "new", suite)
    state = folder.state_file.read_bytes()
    assert open_folder(tmp_path / "new", suite) == folder
    assert folder.state_file.read_bytes() == state
    described = json.loads(state)["data"]["cardiac"]
    assert (described["seed"], described["training_subjects"]) == (0, 20)
    assert described["phantom_version"] == CARDIAC_PHANTOM_VERSION


def test_a_suite_may_gain_and_lose_subjects(tmp_path: Path, suite: Suite) -> None:
    heart = replace(suite, data={"cardiac": suite.data["cardiac"]}, directions=(), rows=())
    open_folder(tmp_path, suite)
    open_folder(tmp_path, heart)
    folder = open_folder(tmp_path, suite)
    assert set(json.loads(folder.state_file.read_text())["data"]) == set(suite.data)


def test_other_subjects_are_refused(tmp_path: Path, suite: Suite) -> None:
    open_folder(tmp_path, suite)
    others = {**suite.data, "cardiac": replace(suite.data["cardiac"], seed=1)}
    with pytest.raises(RunError, match=r"'cardiac'.*seed=0.*seed=1.*Choose another folder"):
        open_folder(tmp_path, replace(suite, data=others))


def test_subjects_of_another_version_of_the_phantom_are_refused(
    tmp_path: Path, suite: Suite
) -> None:
    folder = open_folder(tmp_path, suite)
    state = json.loads(folder.state_file.read_text())
    state["data"]["brain"]["phantom_version"] = 0
    folder.state_file.write_text(json.dumps(state))
    with pytest.raises(RunError, match=r"'brain'.*version 0.*version \d"):
        open_folder(tmp_path, suite)


def test_what_a_suite_could_not_say_then_counts_as_its_default(
    tmp_path: Path, suite: Suite
) -> None:
    folder = open_folder(tmp_path, suite)
    state = json.loads(folder.state_file.read_text())
    del state["data"]["cardiac"]["validation_fraction"]
    folder.state_file.write_text(json.dumps(state))
    open_folder(tmp_path, suite)


def test_something_else_in_the_folder_is_left_alone(tmp_path: Path, suite: Suite) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        open_folder(tmp_path, suite)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_of_another_version_is_refused(tmp_path: Path, suite: Suite) -> None:
    folder = open_folder(tmp_path, suite)
    state = json.loads(folder.state_file.read_text())
    folder.state_file.write_text(json.dumps({**state, "v": 99}))
    with pytest.raises(RunError, match="another version of the program"):
        open_folder(tmp_path, suite)
