"""Checkpoints are whole or absent, and nothing in them is executed."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from CrossModalSegLib.core.errors import RunError, StorageError
from CrossModalSegLib.training.checkpoints import load_checkpoint, save_checkpoint


def test_a_checkpoint_comes_back_to_the_bit(tmp_path: Path) -> None:
    state = {"weight": torch.randn(3, 4), "step": 7, "parts": [{"a": (0.1, 2)}], "none": None}
    save_checkpoint(tmp_path / "last.ckpt", state)
    loaded = load_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(loaded["weight"], state["weight"])  # type: ignore[arg-type]
    assert (loaded["step"], loaded["parts"], loaded["none"]) == (7, [{"a": (0.1, 2)}], None)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"last\.ckpt does not exist"):
        load_checkpoint(tmp_path / "last.ckpt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    file = tmp_path / "last.ckpt"
    save_checkpoint(file, {"weight": torch.randn(100, 100)})
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(file)


class Harmful:
    """Would run code if it were unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Ask the unpickler to open a file."""
        return open, ("/nowhere/at/all",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    torch.save({"v": 1, "trap": Harmful()}, file)
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(file)
    file.write_bytes(pickle.dumps({"v": 1, "trap": Harmful()}, protocol=2))
    with pytest.raises(RunError, match="damaged"):
        load_checkpoint(file)


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    torch.save({"v": 99}, tmp_path / "last.ckpt")
    with pytest.raises(RunError, match="another version"):
        load_checkpoint(tmp_path / "last.ckpt")


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "last.ckpt"
    save_checkpoint(file, {"step": 1})

    def fail(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("[enforce fail at inline_container.cc:664] unexpected pos")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(StorageError, match="could not be written"):
        save_checkpoint(file, {"step": 2})
    assert load_checkpoint(file)["step"] == 1
    assert list(tmp_path.iterdir()) == [file]
