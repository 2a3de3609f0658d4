"""One process at a time in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from CrossModalSegLib.core.errors import RunError
from CrossModalSegLib.training.folder_lock import lock_holder, locked


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    file = tmp_path / "work.lock"
    with locked(file, "The folder is used", "Wait."):
        holder = lock_holder(file)
        assert holder is not None
        assert holder["pid"] == os.getpid()
        with (
            pytest.raises(RunError, match=rf"The folder is used by process {os.getpid()}.*Wait\."),
            locked(file, "The folder is used", "Wait."),
        ):
            pass
    assert not file.exists()
    assert lock_holder(file) is None


def test_a_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    file = tmp_path / "work.lock"
    with pytest.raises(ValueError, match="inside"), locked(file, "Used", ""):
        raise ValueError("inside")
    assert not file.exists()


@pytest.mark.parametrize("change", [{"pid": 2**22 + 5}, {"started": 5.0}, {"pid": None}])
def test_a_lock_whose_process_is_gone_is_taken_over(
    tmp_path: Path, change: dict[str, object]
) -> None:
    file = tmp_path / "work.lock"
    with locked(file, "Used", ""):
        content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, **change}))
    assert lock_holder(file) is None
    with locked(file, "Used", ""):
        assert lock_holder(file) is not None


def test_a_process_on_another_host_counts_as_living(tmp_path: Path) -> None:
    file = tmp_path / "work.lock"
    file.write_text(json.dumps({"v": 1, "pid": 1, "host": "elsewhere", "started": 0.0}))
    with pytest.raises(RunError, match="on elsewhere"), locked(file, "Used", ""):
        pass


def test_half_a_lock_is_none(tmp_path: Path) -> None:
    file = tmp_path / "work.lock"
    file.write_text('{"pid": 1')
    assert lock_holder(file) is None
