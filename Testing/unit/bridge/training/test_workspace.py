"""Names and places of what is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from CrossModalSegLib.bridge.training.workspace import Workspace, default_workspace
from CrossModalSegLib.bundle.schema import require_bundle_name
from CrossModalSegLib.training.run_queue import RunQueue


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "training")


@pytest.mark.parametrize(
    ("wished", "name"),
    [
        ("cardiac_ct_to_mr_bssfp_dsan", "cardiac_ct_to_mr_bssfp_dsan"),
        ("Heart, CT → MR", "heart-ct-mr"),
        ("", "run"),
        ("../../etc", "etc"),
        ("con", "run-con"),
        ("x" * 200, "x" * 74),
    ],
)
def test_any_wish_becomes_a_safe_name(workspace: Workspace, wished: str, name: str) -> None:
    assert workspace.free_name(wished) == name
    require_bundle_name(name)
    assert not workspace.folder.exists()


def test_names_of_runs_and_of_those_that_wait_or_failed_are_taken(workspace: Workspace) -> None:
    queue = RunQueue(workspace.folder)
    (workspace.runs / "mole").mkdir(parents=True)
    assert workspace.free_name("mole") == "mole-2"
    entry = queue.add("mole-2", ["train"])
    assert workspace.free_name("mole") == "mole-3"
    queue.note_failed(entry, {"event": "error"})
    queue.remove(entry)
    assert workspace.free_name("mole") == "mole-3"


def test_the_default_is_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODALSEG_HOME", str(tmp_path))
    assert default_workspace().runs == tmp_path / "training" / "runs"
