"""Every method through the trainer: what a run leaves, and that no stage minds interruptions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from CrossModalSegLib.core.errors import Cancelled
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.training.checkpoints import load_checkpoint
from CrossModalSegLib.training.run_folder import RunFolder, read_journal
from CrossModalSegLib.training.train import RunRequest, resume, train

STAGES = {
    "source_only": {"segment": 3},
    "source_only_augmented": {"segment": 3},
    "supervised": {"segment": 3},
    "bigl": {"translate": 3, "warm_up": 2, "adapt": 3},
    "dsan": {"warm_up": 3, "adapt": 3},
    "glua": {"translate": 3, "adapt": 3},
}
"""Method -> stage -> iterations of these tests."""

LENGTHS = {
    "bigl": (
        "method.translation_iterations=3",
        "method.warm_up_iterations=2",
        "method.iterations=5",
        "method.translation.translator.width=4",
        "method.translation.critic_width=4",
    ),
    "dsan": ("method.warm_up_iterations=3", "method.iterations=6"),
    "glua": (
        "method.translation_iterations=3",
        "method.iterations=3",
        "method.translator.width=4",
        "method.translator.blocks=1",
    ),
}

RequestMaker = Callable[..., RunRequest]


class CrashError(Exception):
    """What a process dies of in the middle of a step: nothing is saved any more."""


@pytest.fixture
def request_for(
    padded_cohorts: dict[str, Path], tiny_settings: tuple[str, ...], tmp_path: Path
) -> RequestMaker:
    """Return a maker of run requests on the tiny cohorts."""
    cohorts = padded_cohorts

    def make(method: str, name: str, *more: str) -> RunRequest:
        lengths = LENGTHS.get(method, ("method.iterations=3",))
        return RunRequest(
            method=method,
            preset="quick",
            source=cohorts["source"],
            target=None if method == "supervised" else cohorts["target"],
            run=tmp_path / name,
            overrides=(*tiny_settings, *lengths, "training.log_every=1", *more),
            device="cpu",
        )

    return make


def last_states(request: RunRequest) -> dict[str, object]:
    folder = RunFolder(request.run)
    return {
        "last": load_checkpoint(folder.last_checkpoint),
        "best": load_checkpoint(folder.best_checkpoint),
    }


def assert_equal(first: object, second: object, where: str = "") -> None:
    if isinstance(first, torch.Tensor):
        assert isinstance(second, torch.Tensor), where
        assert torch.equal(first, second), where
    elif isinstance(first, dict):
        assert isinstance(second, dict)
        assert first.keys() == second.keys(), where
        for key in first:
            assert_equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, (list, tuple)):
        assert isinstance(second, (list, tuple))
        assert len(first) == len(second), where
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_equal(one, other, f"{where}[{number}]")
    else:
        assert first == second, where


def middles_and_ends(method: str) -> list[int]:
    """Return a step in the middle of each stage, and the last one of each but the last."""
    steps, done = [], 0
    for iterations in STAGES[method].values():
        steps += [done + 1, done + iterations]
        done += iterations
    return steps[:-1]


def test_every_method_is_tested_here() -> None:
    assert set(STAGES) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_through_all_its_stages(request_for: RequestMaker, method: str) -> None:
    events: list[Event] = []
    bundle = train(request_for(method, "run"), Reporter(sinks=[events.append]))
    assert (bundle / "configs" / "config.json").is_file()
    announced = {e["stage"]: e["total"] for e in events if e["event"] == "stage"}
    assert {name: announced[name] for name in STAGES[method]} == STAGES[method]
    assert announced["train"] == sum(STAGES[method].values())
    steps = {event["step"] for event in events if event["event"] == "metrics"}
    assert steps == set(range(1, announced["train"] + 1))
    previews = [Path(event["path"]).stem for event in events if event["event"] == "preview"]
    assert previews[-1] == f"{announced['train']:06d}"


@pytest.mark.parametrize("method", ["source_only", "bigl", "dsan", "glua"])
def test_a_run_interrupted_in_every_stage_ends_at_the_same_bits(
    request_for: RequestMaker, method: str
) -> None:
    """A stop saves the state; a crash loses the steps since the last checkpoint, which come again.

    Both happen in the middle of each stage and at each border between two.
    """
    often, seldom = "training.checkpoint_every=99", "training.checkpoint_every=2"
    whole = request_for(method, "whole", often)
    train(whole, silent_reporter())
    expected = last_states(whole)
    for ending, changes in ((Cancelled, often), (CrashError, seldom)):
        parts = request_for(method, ending.__name__, changes)
        begin = partial(train, parts)
        for step in middles_and_ends(method):
            cancel = CancelToken()
            sink = partial(interrupt, at=step, cancel=cancel, is_crash=ending is CrashError)
            with suppress(ending):
                begin(Reporter(sinks=[sink], cancel=cancel))
            if RunFolder(parts.run).last_checkpoint.exists():
                begin = partial(resume, parts.run, device="cpu")
            else:  # it crashed before there was anything to resume from
                shutil.rmtree(parts.run)
        begin(silent_reporter())
        assert_equal(last_states(parts), expected, ending.__name__)


def interrupt(event: Event, *, at: int, cancel: CancelToken, is_crash: bool) -> None:
    if (
        event["event"] == "metrics"
        and event["step"] == at
        and "label_free_score" not in (event["values"])
    ):
        if is_crash:
            raise CrashError
        cancel.set()


def test_recomputing_activations_changes_no_bit(request_for: RequestMaker) -> None:
    """BiGL has what makes it hard: two stages, frozen critics, translators without gradients."""
    plain = request_for("bigl", "plain")
    forgetful = request_for("bigl", "forgetful", "training.recompute=true")
    for request in (plain, forgetful):
        train(request, silent_reporter())
    assert_equal(last_states(forgetful), last_states(plain))


@pytest.mark.parametrize(("matrix", "warnings"), [([24, 24], 0), ([256, 240], 1)])
def test_slices_of_another_size_than_the_preset_is_for_come_with_a_warning(
    request_for: RequestMaker, tmp_path: Path, matrix: list[int], warnings: int
) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text(
        f'[data]\nmatrix = {matrix}\n[method.backbone]\nname = "unet"\n', encoding="utf-8"
    )
    request = replace(request_for("source_only", "run"), preset=str(preset))
    train(request, silent_reporter())
    resume(request.run, silent_reporter(), device="cpu")
    journal = read_journal(RunFolder(request.run).journal_file)
    heard = [event for event in journal if event["event"] == "warning"]
    assert [event["kind"] for event in heard] == ["slice_size"] * warnings
    assert all("24x24" in event["message"] for event in heard)
    assert all("--matrix 256 240" in event["hint"] for event in heard)
