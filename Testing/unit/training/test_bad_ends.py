"""Trainings that die: what their journal says, and that they go on afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from CrossModalSegLib.core.errors import (
    Cancelled,
    ConfigError,
    MemoryShortageError,
    StorageError,
)
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.training.checkpoints import load_checkpoint
from CrossModalSegLib.training.engine import Engine
from CrossModalSegLib.training.journal import RESERVE_FILE
from CrossModalSegLib.training.run_ends import is_memory_shortage
from CrossModalSegLib.training.run_folder import RunFolder, read_journal
from CrossModalSegLib.training.train import RunRequest, resume, train

LIMITED = """
import resource, sys
kind, size = getattr(resource, sys.argv[1]), int(sys.argv[2])
del sys.argv[1:3]
import torch
torch.set_num_threads(1)
from CrossModalSegLib.cli.main import main
if kind == resource.RLIMIT_AS:
    import psutil
    import CrossModalSegLib.training.train
    size += psutil.Process().memory_info().vms
resource.setrlimit(kind, (size, size))
sys.exit(main())
"""
"""The program with a limit that the system enforces: its name, bytes (of memory: more than now)."""

needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces such limits")


@pytest.fixture
def request_to(
    cohorts: dict[str, Path], tiny_settings: tuple[str, ...], tmp_path: Path
) -> Callable[..., RunRequest]:
    """Return a maker of requests on the tiny cohorts, with further overrides."""

    def make(*more: str) -> RunRequest:
        return RunRequest(
            method="source_only",
            preset="quick",
            source=cohorts["source"],
            target=cohorts["target"],
            run=tmp_path / "run",
            overrides=(*tiny_settings, *more),
            device="cpu",
        )

    return make


def run_limited(
    request: RunRequest, limit: str, size: int
) -> tuple[list[Event], subprocess.CompletedProcess[bytes]]:
    """Train in a process under a limit; return the journal and the process."""
    options = [f"--override={override}" for override in request.overrides]
    process = subprocess.run(
        [
            *(sys.executable, "-c", LIMITED, limit, str(size), "train", "--progress", "json"),
            *("--method", request.method, "--preset", request.preset, "--device", "cpu"),
            *("--source", str(request.source), "--target", str(request.target)),
            *("--run", str(request.run), *options),
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )
    return list(read_journal(request.run / "journal.jsonl")), process


def fail_once(monkeypatch: pytest.MonkeyPatch, error: Exception, step: int) -> None:
    """Let one iteration raise."""
    run_iteration = Engine.run_iteration

    def failing(engine: Engine, batch: UnpairedBatch) -> object:
        if engine.step_count == step:
            monkeypatch.setattr(Engine, "run_iteration", run_iteration)
            raise error
        return run_iteration(engine, batch)

    monkeypatch.setattr(Engine, "run_iteration", failing)


def batches_of(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the batches that are trained with from now on, as a growing list."""
    run_iteration = Engine.run_iteration
    sizes: list[int] = []

    def watched(engine: Engine, batch: UnpairedBatch) -> object:
        sizes.append(len(batch.x_s))
        return run_iteration(engine, batch)

    monkeypatch.setattr(Engine, "run_iteration", watched)
    return sizes


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), "The GPU"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), "The GPU"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)."), "The GPU"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "The computer"),
        (MemoryError(), "The computer"),
    ],
)
def test_out_of_memory_ends_clearly_and_goes_on_with_a_smaller_batch(
    request_to: Callable[..., RunRequest],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    where: str,
) -> None:
    request = request_to()
    folder = RunFolder(request.run)
    fail_once(monkeypatch, error, step=3)
    with pytest.raises(MemoryShortageError) as raised:
        train(request, silent_reporter())
    assert raised.value.message.startswith(f"{where} ran out of memory in training with 3 slices")
    *_, last = read_journal(folder.journal_file)
    assert (last["event"], last["kind"]) == ("error", "out_of_memory")
    assert "--resume --batch-size 1" in last["hint"]
    assert not folder.lock_file.exists()

    sizes = batches_of(monkeypatch)
    resume(request.run, silent_reporter(), device="cpu", batch_size=2)
    assert sizes == [2, 2, 2, 2]  # from the checkpoint of iteration 2 to 6
    events = list(read_journal(folder.journal_file))
    (warning,) = (event for event in events if event["event"] == "warning")
    assert "From iteration 2 on a batch has 2 slices of each domain, not 3" in warning["message"]
    assert events[-1]["event"] == "done"
    config = folder.read_config()
    assert config["settings"]["training"]["batch_size"] == 2
    (change,) = config["changes"]
    assert (change["iteration"], change["before"], change["after"]) == (2, 3, 2)
    assert (folder.bundle / "models" / "model.safetensors").is_file()


def test_a_changed_batch_stays_when_the_run_goes_on_again(
    request_to: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_to()
    fail_once(monkeypatch, MemoryError(), step=3)
    with pytest.raises(MemoryShortageError):
        train(request, silent_reporter())
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(Cancelled):
        resume(request.run, Reporter(cancel=cancel), device="cpu", batch_size=1)
    sizes = batches_of(monkeypatch)
    resume(request.run, silent_reporter(), device="cpu")
    assert set(sizes) == {1}
    with pytest.raises(ConfigError, match="batch size is 0"):
        resume(request.run, silent_reporter(), device="cpu", batch_size=0)


def test_a_run_without_a_checkpoint_begins_again(
    request_to: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_to()
    fail_once(monkeypatch, MemoryError(), step=0)
    with pytest.raises(MemoryShortageError):
        train(request, silent_reporter())
    folder = RunFolder(request.run)
    assert not folder.last_checkpoint.exists()
    resume(request.run, silent_reporter(), device="cpu", batch_size=1)
    assert load_checkpoint(folder.last_checkpoint)["engine"]["iteration"] == 6
    kinds = [e["kind"] for e in read_journal(folder.journal_file) if e["event"] == "warning"]
    assert "no_state" in kinds


def test_the_last_slice_of_a_batch_cannot_be_taken_away(
    request_to: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, MemoryError(), step=0)
    with pytest.raises(MemoryShortageError, match=r"with 1 slice .* smaller preset"):
        train(request_to("training.batch_size=1"), silent_reporter())


def test_what_nobody_foresaw_is_in_the_journal_too(
    request_to: Callable[..., RunRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_to()
    fail_once(monkeypatch, ZeroDivisionError("by zero"), step=1)
    with pytest.raises(ZeroDivisionError):
        train(request, silent_reporter())
    *_, last = read_journal(request.run / "journal.jsonl")
    assert (last["event"], last["kind"]) == ("error", "unexpected")
    assert "ZeroDivisionError: by zero" in last["message"]


@needs_limits
def test_a_limit_of_the_memory_that_the_system_sets_ends_clearly(
    request_to: Callable[..., RunRequest],
) -> None:
    # The weights of a convolution at the third level take 4096 x 4096 x 9 x 4 bytes = 604 MB.
    request = request_to("method.backbone.width=1024")
    events, process = run_limited(request, "RLIMIT_AS", 400_000_000)
    assert process.returncode == 1, process.stderr[-2000:]
    assert events[-1]["kind"] == "out_of_memory", events[-1]
    assert "The computer ran out of memory" in events[-1]["message"]
    assert b"--batch-size 1" in process.stdout
    assert not RunFolder(request.run).lock_file.exists()


@needs_limits
def test_a_full_disk_ends_clearly_and_leaves_the_last_good_state(
    request_to: Callable[..., RunRequest],
) -> None:
    request = request_to("method.iterations=4")
    folder = RunFolder(request.run)
    events, process = run_limited(request, "RLIMIT_FSIZE", 70_000)  # no checkpoint is that small
    assert process.returncode == 1
    last = events[-1]
    assert (last["event"], last["kind"]) == ("error", "storage"), last
    assert "best.ckpt could not be written" in last["message"] or "last.ckpt" in last["message"]
    assert "--resume" in last["hint"]
    assert not list(folder.checkpoints.iterdir())  # and nothing is half there
    assert not (request.run / RESERVE_FILE).exists()
    resume(request.run, silent_reporter(), device="cpu")
    assert folder.bundle.is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="another signal")
def test_a_killed_run_keeps_its_lock_and_half_files_which_its_successor_removes(
    request_to: Callable[..., RunRequest],
) -> None:
    request = request_to("method.iterations=100000", "training.validate_every=100000")
    options = [f"--override={override}" for override in request.overrides]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "CrossModalSegLib", "train", "--progress", "silent"),
            *("--method", request.method, "--preset", request.preset, "--device", "cpu"),
            *("--source", str(request.source), "--target", str(request.target)),
            *("--run", str(request.run), *options),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    folder = RunFolder(request.run)
    deadline = time.monotonic() + 100
    while not folder.last_checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert folder.lock_file.exists()
    assert folder.lock_holder() is None
    assert (request.run / RESERVE_FILE).stat().st_size > 0
    half = folder.checkpoints / ".0123abcd.last.ckpt"
    half.write_bytes(b"half")
    reached = load_checkpoint(folder.last_checkpoint)["engine"]["iteration"]
    cancel = CancelToken()
    heard: list[Event] = []

    def stop_soon(event: Event) -> None:
        heard.append(event)
        if event["event"] == "metrics":
            cancel.set()

    with pytest.raises(Cancelled):
        resume(request.run, Reporter(sinks=[stop_soon], cancel=cancel), device="cpu", batch_size=2)
    assert not half.exists()
    assert not folder.lock_file.exists()
    assert load_checkpoint(folder.last_checkpoint)["engine"]["iteration"] > reached
    metrics = next(event for event in heard if event["event"] == "metrics")
    assert metrics["step"] > reached
    own_mib = psutil.Process().memory_info().rss / 2**20
    assert 0.3 * own_mib < metrics["values"]["memory_mib"] < 3 * own_mib
    assert json.loads(folder.config_file.read_text())["changes"][0]["iteration"] == reached


@pytest.mark.parametrize(
    "error", [ValueError("out of memory"), OSError(28, "full"), StorageError("out of memory")]
)
def test_other_errors_are_no_shortage_of_memory(error: Exception) -> None:
    assert not is_memory_shortage(error)


def test_the_system_may_say_it_as_an_error_of_its_own() -> None:
    assert is_memory_shortage(OSError(12, "Cannot allocate memory"))
