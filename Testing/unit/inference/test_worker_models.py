"""Models that stay warm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from CrossModalSegLib.bundle.reading import Bundle, read_bundle
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.errors import Cancelled, DeviceError, UnknownNameError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter, silent_reporter
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.inference.worker_models import WarmModels, leave_a_core


@pytest.fixture
def models() -> WarmModels:
    return WarmModels()


def get(models: WarmModels, bundle: Bundle, precision: str = "32-true") -> Predictor:
    return models.get(bundle, "cpu", precision, silent_reporter())


def test_a_model_is_loaded_once(models: WarmModels, bundle: Bundle) -> None:
    first = get(models, bundle)
    assert get(models, read_bundle(bundle.path)) is first
    assert models.get(bundle, "auto", "32-true", silent_reporter()) is first
    assert get(models, bundle, "bf16-mixed") is not first


def test_a_bundle_that_was_replaced_is_another_one(models: WarmModels, bundle: Bundle) -> None:
    first = get(models, bundle)
    weights = {name: tensor + 1 for name, tensor in first._runner.method.state_dict().items()}
    write_bundle(bundle.path, bundle.config, weights, overwrite=True)
    second = get(models, read_bundle(bundle.path))
    assert second is not first
    new = second._runner.method.state_dict()
    assert all(torch.equal(new[name], tensor) for name, tensor in weights.items())


def test_of_three_the_one_that_was_not_used_for_longest_leaves(
    models: WarmModels, bundle: Bundle, tmp_path: Path
) -> None:
    weights = get(models, bundle)._runner.method.state_dict()
    others = [
        write_bundle(tmp_path / name, replace(bundle.config, name=name), weights)
        for name in ("second", "third")
    ]
    first = get(models, bundle)
    second = get(models, others[0])
    assert get(models, bundle) is first
    get(models, others[1])
    assert get(models, bundle) is first
    assert get(models, others[0]) is not second


def test_a_model_that_gave_its_device_up_is_loaded_anew(models: WarmModels, bundle: Bundle) -> None:
    first = get(models, bundle)
    first._runner.device = torch.device("meta")
    second = get(models, bundle)
    assert second is not first
    assert second.device == "cpu"


def test_a_forgotten_model_is_loaded_anew(models: WarmModels, bundle: Bundle) -> None:
    first = get(models, bundle)
    models.forget(bundle)
    assert get(models, bundle) is not first


def test_loading_is_reported_to_its_end(models: WarmModels, bundle: Bundle) -> None:
    for _ in range(2):
        events: list[Event] = []
        models.get(bundle, "cpu", "auto", Reporter(sinks=[events.append]))
        assert events[0]["event"] == "stage"
        assert {event["stage"] for event in events} == {"load"}
        assert events[-1]["done"] == events[-1]["total"] == 2


def test_a_load_that_is_cancelled_keeps_nothing(models: WarmModels, bundle: Bundle) -> None:
    cancel = CancelToken()
    cancel.set()
    with pytest.raises(Cancelled):
        models.get(bundle, "cpu", "auto", Reporter(cancel=cancel))
    assert not models._predictors


def test_devices_and_precisions_that_are_not_there_are_errors(
    models: WarmModels, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DeviceError):
        models.get(bundle, "cuda", "auto", silent_reporter())
    with pytest.raises(UnknownNameError):
        get(models, bundle, "fp8")


@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (2, 1), (8, 7)])
def test_a_core_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch, threads: int, expected: int
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    monkeypatch.setattr("torch.set_num_threads", chosen.append)
    monkeypatch.delenv("OMP_NUM_THREADS")
    leave_a_core.cache_clear()
    leave_a_core()
    leave_a_core()
    assert chosen == [expected]


def test_a_number_of_threads_that_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", chosen.append)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    leave_a_core.cache_clear()
    leave_a_core()
    assert chosen == []
