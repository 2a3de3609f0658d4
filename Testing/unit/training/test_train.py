"""Whole runs: what they leave, what they refuse, and that resuming changes nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

import CrossModalSegLib
from CrossModalSegLib.core.errors import (
    Cancelled,
    CohortError,
    LeakageError,
    OutputExistsError,
    RunError,
)
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.training.checkpoints import load_checkpoint
from CrossModalSegLib.training.run_folder import RunFolder, read_journal
from CrossModalSegLib.training.train import RunRequest, resume, train

RequestMaker = Callable[..., RunRequest]
"""Takes a method, the name of the run's folder, and further overrides."""


@pytest.fixture
def request_for(
    cohorts: dict[str, Path], tiny_settings: tuple[str, ...], tmp_path: Path
) -> RequestMaker:
    """Return a maker of run requests on the tiny cohorts."""

    def make(method: str, name: str = "run", *more: str) -> RunRequest:
        return RunRequest(
            method=method,
            preset="quick",
            source=cohorts["source"],
            target=None if method == "supervised" else cohorts["target"],
            run=tmp_path / name,
            overrides=(*tiny_settings, *more),
            device="cpu",
        )

    return make


def states_are_equal(first: object, second: object) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)  # type: ignore[arg-type]
    if isinstance(first, dict):
        assert isinstance(second, dict)
        keys = set(first) == set(second)
        return keys and all(states_are_equal(first[k], second[k]) for k in first)
    if isinstance(first, (list, tuple)):
        return all(states_are_equal(a, b) for a, b in zip(first, second, strict=True))  # type: ignore[call-overload]
    return first == second


@pytest.mark.parametrize("method", ["source_only_augmented", "supervised", "dsan"])
def test_a_run_leaves_journal_checkpoints_previews_and_bundle(
    request_for: RequestMaker, method: str
) -> None:
    request = request_for(method)
    events: list[Event] = []
    bundle = train(request, Reporter(sinks=[events.append]))
    folder = RunFolder.open(request.run)
    assert bundle.is_dir()
    assert folder.last_checkpoint.is_file()
    assert folder.best_checkpoint.is_file()
    assert [path.name for path in folder.previews.iterdir()] == ["000006.png"]
    assert not folder.lock_file.exists()
    assert list(read_journal(folder.journal_file)) == events
    assert events[-1]["event"] == "done"
    losses = [e["values"] for e in events if e["event"] == "metrics" and e["step"] == 6]
    assert any("label_free_score" in values for values in losses)


def test_stopping_and_resuming_ends_at_the_same_bits(request_for: RequestMaker) -> None:
    """N steps = k steps + stop + resume + N - k steps, on the CPU."""
    whole, parts = request_for("dsan", "whole"), request_for("dsan", "parts")
    train(whole, silent_reporter())

    cancel = CancelToken()

    def stop_at_step_two(event: Event) -> None:
        if event["event"] == "metrics" and event["step"] == 2:
            cancel.set()

    with pytest.raises(Cancelled):
        train(parts, Reporter(sinks=[stop_at_step_two], cancel=cancel))
    resume(parts.run, silent_reporter(), device="cpu")
    for name in ("last_checkpoint", "best_checkpoint"):
        states = [load_checkpoint(getattr(RunFolder(r.run), name)) for r in (whole, parts)]
        assert states_are_equal(*states), name


@pytest.mark.parametrize("method", ["source_only_augmented", "dsan"])
def test_a_run_that_was_killed_resumes_to_the_same_bits(
    request_for: RequestMaker, method: str
) -> None:
    """The same with kill -9 in the middle of a step of a real process."""
    changes = ("method.iterations=40", "training.checkpoint_every=3", "training.preview_every=99")
    whole = request_for(method, "whole", *changes)
    killed = request_for(method, "killed", *changes)
    train(whole, silent_reporter())
    program = (
        "import sys, pathlib, torch; torch.set_num_threads(2)\n"
        "from CrossModalSegLib.core.events import silent_reporter\n"
        "from CrossModalSegLib.training.train import RunRequest, train\n"
        f"train(RunRequest(method={killed.method!r}, preset='quick',\n"
        "    source=pathlib.Path(sys.argv[1]), target=pathlib.Path(sys.argv[2]),\n"
        "    run=pathlib.Path(sys.argv[3]), overrides=tuple(sys.argv[4:]), device='cpu'),\n"
        "    silent_reporter())\n"
    )
    paths = [str(path) for path in (killed.source, killed.target, killed.run)]
    process = subprocess.Popen([sys.executable, "-c", program, *paths, *killed.overrides])
    folder = RunFolder(killed.run)
    deadline = time.monotonic() + 120
    while not folder.last_checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() != 0
    assert load_checkpoint(folder.last_checkpoint)["engine"]["iteration"] < 40
    assert folder.lock_file.exists()

    resume(killed.run, silent_reporter(), device="cpu")
    states = [load_checkpoint(RunFolder(r.run).last_checkpoint) for r in (whole, killed)]
    assert states_are_equal(*states)


def test_the_target_labels_are_never_needed(
    request_for: RequestMaker, cohorts: dict[str, Path]
) -> None:
    assert not list(cohorts["target"].rglob("label.npy"))
    train(request_for("dsan"), silent_reporter())


def test_an_existing_run_is_not_overwritten(request_for: RequestMaker) -> None:
    request = request_for("source_only")
    train(request, silent_reporter())
    before = (request.run / "journal.jsonl").read_bytes()
    with pytest.raises(OutputExistsError):
        train(request, silent_reporter())
    assert (request.run / "journal.jsonl").read_bytes() == before


def test_a_source_without_labels_is_refused(
    request_for: RequestMaker, cohorts: dict[str, Path]
) -> None:
    swapped = replace(request_for("dsan"), source=cohorts["target"], target=cohorts["source"])
    with pytest.raises(CohortError, match="labels"):
        train(swapped, silent_reporter())
    assert not swapped.run.exists()


def test_one_subject_in_both_domains_is_refused(
    request_for: RequestMaker, cohorts: dict[str, Path]
) -> None:
    same = replace(request_for("dsan"), target=cohorts["source"])
    with pytest.raises(LeakageError):
        train(same, silent_reporter())
    assert not same.run.exists()


def test_an_adaptation_without_target_is_refused(request_for: RequestMaker) -> None:
    with pytest.raises(RunError, match="--target"):
        train(replace(request_for("dsan"), target=None), silent_reporter())


def test_two_processes_do_not_train_in_one_folder(request_for: RequestMaker) -> None:
    request = request_for("source_only")
    train(request, silent_reporter())
    folder = RunFolder.open(request.run)
    with folder.locked(), pytest.raises(RunError, match=str(psutil.Process().pid)):
        resume(request.run, silent_reporter())


def test_a_changed_cohort_stops_a_resume(request_for: RequestMaker) -> None:
    request = request_for("source_only")
    train(request, silent_reporter())
    config = request.run / "config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    content["cohorts"]["source"]["hash"] = "0" * 64
    config.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunError, match="has changed"):
        resume(request.run, silent_reporter())


def test_a_cancel_in_the_control_file_is_obeyed(request_for: RequestMaker) -> None:
    request = request_for("source_only", "run", "method.iterations=100000")
    folder = RunFolder(request.run)

    def ask(event: Event) -> None:
        if event["event"] == "metrics" and event["step"] == 4:
            folder.write_request("cancel")

    with pytest.raises(Cancelled):
        train(request, Reporter(sinks=[ask]))
    assert folder.last_checkpoint.is_file()


def test_a_loss_that_is_not_a_number_stops_the_run(request_for: RequestMaker) -> None:
    request = request_for("source_only", "run", "method.learning_rate=1e30")
    with pytest.raises(RunError, match="not a number"):
        train(request, silent_reporter())


def run_in_two_processes(arguments: list[str], folder: Path) -> None:
    """Start a program twice with the environment that torchrun gives.

    torchrun itself asks the machine for its own network name, which not every machine can resolve.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {
        "PYTHONPATH": str(Path(CrossModalSegLib.__file__).parents[1]),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "GROUP_RANK": "0",
        "TORCHELASTIC_RUN_ID": "test",
    }
    if sys.platform == "linux":
        shared["GLOO_SOCKET_IFNAME"] = "lo"
    logs = [folder / f"rank{rank}.log" for rank in (0, 1)]
    with ExitStack() as stack:
        processes = [
            subprocess.Popen(
                arguments,
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=stack.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
            )
            for rank, log in enumerate(logs)
        ]
        for process in processes:
            stack.callback(process.kill)
        deadline = time.monotonic() + 300
        while any(process.poll() is None for process in processes):
            if any(process.poll() for process in processes) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
    assert [process.poll() for process in processes] == [0, 0], "\n".join(
        log.read_text(encoding="utf-8", errors="replace")[-3000:] for log in logs
    )


def test_two_processes_stay_in_step(request_for: RequestMaker, tmp_path: Path) -> None:
    """Gradients are averaged: both processes end with the same weights, drawn from other slices."""
    request = request_for("dsan", "run", "training.checkpoint_every=6")
    program = tmp_path / "train_in_two.py"
    program.write_text(
        "import os, pathlib, sys, torch\n"
        "torch.set_num_threads(1)\n"
        "from CrossModalSegLib.core.events import silent_reporter\n"
        "from CrossModalSegLib.training import train as training\n"
        "sessions, run = [], training.TrainingSession.run\n"
        "training.TrainingSession.run = lambda self: (sessions.append(self), run(self))[1]\n"
        "paths = [pathlib.Path(path) for path in sys.argv[1:5]]\n"
        "training.train(training.RunRequest(method='dsan', preset='quick', source=paths[0],\n"
        "    target=paths[1], run=paths[2], overrides=tuple(sys.argv[5:]), device='cpu'),\n"
        "    silent_reporter())\n"
        "weights = {n: w.state_dict() for n, w in sessions[0].engine.networks.items()}\n"
        "torch.save(weights, paths[3] / f\"rank{os.environ['RANK']}.pt\")\n",
        encoding="utf-8",
    )
    paths = [str(path) for path in (request.source, request.target, request.run, tmp_path)]
    run_in_two_processes([sys.executable, str(program), *paths, *request.overrides], tmp_path)
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert states_are_equal(first, second)
    ranks = load_checkpoint(RunFolder(request.run).last_checkpoint)["ranks"]
    assert len(ranks) == 2
    assert not states_are_equal(ranks[0]["sampler"], ranks[1]["sampler"])
    assert (request.run / "bundle" / "configs" / "config.json").is_file()
