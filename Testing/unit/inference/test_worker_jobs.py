"""What a worker does for each command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import highdicom
import numpy as np
import pytest

from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.core.config import from_dict
from CrossModalSegLib.core.errors import (
    Cancelled,
    ConfigError,
    CrossModalSegError,
    GeometryError,
    InputFileError,
    MismatchError,
    OutputExistsError,
    StorageError,
    UnknownNameError,
)
from CrossModalSegLib.core.events import Event, Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import read_image, read_labels, write_volume
from CrossModalSegLib.inference.post_processing import post_process
from CrossModalSegLib.inference.worker_jobs import WorkerCommands
from CrossModalSegLib.inference.worker_requests import COMMANDS, Request
from Testing.unit.dicom_files import write_series


class Asker:
    """Asks for things as a program would, and keeps what it hears."""

    def __init__(self, commands: WorkerCommands) -> None:
        self.commands = commands
        self.events: list[Event] = []
        self.reporter = Reporter("j", [self.events.append])

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self.events.clear()
        read = from_dict(COMMANDS[command], arguments, command)
        self.commands.run(Request(job="j", command=command, arguments=read), self.reporter)
        done = self.events[-1]
        assert done["event"] == "done"
        return done

    def stages(self) -> list[str]:
        return [event["stage"] for event in self.events if event["event"] == "stage"]


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    library = ModelLibrary(tmp_path / "models", tmp_path / "shipped")
    return Asker(WorkerCommands(library))


@pytest.fixture
def volume(tmp_path: Path, make_volume: Callable[..., Volume]) -> Volume:
    volume = make_volume((6, 5, 7))
    write_volume(volume, tmp_path / "scan.nrrd")
    return volume


@pytest.fixture
def wish(tmp_path: Path, bundle: Bundle) -> dict[str, Any]:
    """Return the least that a request to segment says."""
    return {
        "model": str(bundle.path),
        "inputs": [str(tmp_path / "scan.nrrd")],
        "output": str(tmp_path / "out" / "labels.nrrd"),
        "device": "cpu",
    }


def test_a_volume_is_segmented_and_described(
    asker: Asker, volume: Volume, wish: dict[str, Any], bundle: Bundle
) -> None:
    done = asker.ask("segment", **wish)
    assert done["outputs"] == [wish["output"]]
    labels = read_labels(wish["output"])
    assert np.array_equal(labels.array_kji, volume.array_kji)
    summary = done["summary"]
    assert summary["voxels"]["AA"] == int((volume.array_kji == 4).sum())
    assert summary["volumes_ml"]["AA"] == pytest.approx(summary["voxels"]["AA"] * 0.003)
    assert summary["seconds"] > 0
    assert (summary["device"], summary["task"]) == ("cpu", "cardiac")
    assert summary["modality"] == "mr_bssfp"
    assert summary["warnings"] == []
    said = {"name": "bands", "method": "bands", "content_hash": bundle.content_hash}
    assert summary["model"] == said
    assert summary["models"] == [said]
    assert "Research use only" in summary["intended_use"]


def test_every_stage_reaches_its_end(
    asker: Asker, volume: Volume, wish: dict[str, Any], tmp_path: Path
) -> None:
    del volume
    asker.ask("segment", **wish, uncertainty=str(tmp_path / "u.nrrd"))
    assert asker.stages() == ["load", "read", "slices", "restore"]
    for stage in asker.stages():
        steps = [e for e in asker.events if e["event"] == "progress" and e["stage"] == stage]
        assert steps[-1]["done"] == steps[-1]["total"] > 0


def test_warnings_are_events_and_in_the_summary(
    asker: Asker, wish: dict[str, Any], tmp_path: Path
) -> None:
    empty = np.zeros((5, 5, 5), np.float32)
    empty[0, 0, 0] = 0.1
    write_volume(Volume(empty, np.eye(4)), tmp_path / "scan.nrrd")
    done = asker.ask("segment", **wish)
    (warning,) = (event for event in asker.events if event["event"] == "warning")
    (noted,) = done["summary"]["warnings"]
    assert {key: warning[key] for key in noted} == noted
    assert noted["kind"] == "nothing_found"


def test_the_uncertainty_map_lies_on_the_volumes_grid(
    asker: Asker, volume: Volume, wish: dict[str, Any], tmp_path: Path
) -> None:
    done = asker.ask("segment", **wish, uncertainty=str(tmp_path / "u.nii.gz"))
    assert done["outputs"] == [wish["output"], str(tmp_path / "u.nii.gz")]
    uncertainty = read_image(tmp_path / "u.nii.gz")
    np.testing.assert_allclose(uncertainty.affine_ras, volume.affine_ras, atol=1e-5)
    assert 0 <= uncertainty.array_kji.min() < uncertainty.array_kji.max() <= 1


def test_structures_and_region_of_interest_are_kept_to(
    asker: Asker, volume: Volume, wish: dict[str, Any]
) -> None:
    to_index = np.linalg.inv(volume.affine_ras)
    to_box = np.diag([1.0, 1.0, 0.5, 1.0]) @ to_index  # i and j within 1, k within 2, of the first
    done = asker.ask(
        "segment", **wish, structures=["AA", "LVC"], ras_to_box=to_box.ravel().tolist()
    )
    expected = np.where(np.isin(volume.array_kji, (3, 4)), volume.array_kji, 0)
    expected[3:] = expected[:, 2:] = expected[:, :, 2:] = 0
    assert np.array_equal(read_labels(wish["output"]).array_kji, expected)
    assert list(done["summary"]["voxels"]) == ["LVC", "AA"]
    (slices,) = (e for e in asker.events if e["event"] == "stage" and e["stage"] == "slices")
    assert slices["total"] == 2  # of 5 coronal ones


def test_what_the_command_line_can_the_worker_can(
    asker: Asker, volume: Volume, wish: dict[str, Any], tmp_path: Path
) -> None:
    done = asker.ask(
        "segment",
        **wish,
        further_models=[wish["model"]],
        flips=["left-right"],
        region=["-100", "100", "-100", "100", "-100", "4.5"],
        probabilities=str(tmp_path / "p"),
        uncertainty=str(tmp_path / "u.nrrd"),
        minimum_ml=0.005,
        largest_component=False,
    )
    inside = np.where(np.arange(6)[:, None, None] < 3, volume.array_kji, 0).astype(np.uint8)
    rules = PostProcessing(minimum_ml=0.005)
    expected = post_process(volume.with_array(inside), rules, TASKS["cardiac"])
    assert np.array_equal(read_labels(wish["output"]).array_kji, expected.array_kji)
    assert [Path(path).name for path in done["outputs"]] == [
        *("labels.nrrd", "u.nrrd", "background.nii.gz"),
        *("MYO.nii.gz", "LAC.nii.gz", "LVC.nii.gz", "AA.nii.gz"),
    ]
    summary = done["summary"]
    assert len(summary["models"]) == 2
    assert summary["model"]["method"] == "ensemble"
    assert summary["flips"] == ["left-right"]
    assert summary["post_processing"] == {"largest_component": False, "minimum_ml": 0.005}


def test_a_dicom_series_becomes_a_dicom_object(
    asker: Asker, make_volume: Callable[..., Volume], wish: dict[str, Any], tmp_path: Path
) -> None:
    scan = make_volume((6, 5, 7))
    write_series(tmp_path / "series", scan, order=(4, 2, 0, 5, 1, 3))
    wish |= {"inputs": [str(tmp_path / "series")], "output": str(tmp_path / "seg.dcm")}
    assert asker.ask("segment", **wish)["outputs"] == [wish["output"]]
    found = highdicom.seg.segread(wish["output"]).get_volume(combine_segments=True)
    upwards = int(np.sign(found.affine[2, 0]))  # highdicom lists slices in an order of its own
    assert np.array_equal(np.asarray(found.array)[::upwards], scan.array_kji)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"model": "nobody"}, UnknownNameError),
        ({"further_models": ["nobody"]}, UnknownNameError),
        ({"flips": ["anterior-posterior"]}, ConfigError),
        ({"flips": ["sideways"]}, UnknownNameError),
        ({"region": ["1", "2"]}, ConfigError),
        ({"region": ["missing.nrrd"]}, InputFileError),
        ({"region": ["0", "1"] * 3, "ras_to_box": [0.0] * 16}, ConfigError),
        ({"minimum_ml": -1.0}, ConfigError),
        ({"output": "labels.dcm"}, ConfigError),
        ({"probabilities": "full"}, OutputExistsError),
        ({"probabilities": "out/labels.nrrd"}, ConfigError),
        ({"inputs": []}, InputFileError),
        ({"inputs": ["a.nrrd", "b.nrrd"]}, InputFileError),
        ({"inputs": ["missing.nrrd"]}, InputFileError),
        ({"output": "labels.txt"}, InputFileError),
        ({"output": "scan.nrrd"}, ConfigError),
        ({"uncertainty": "u.seg.nrrd"}, InputFileError),
        ({"uncertainty": "out/labels.nrrd"}, ConfigError),
        ({"output": "there.nrrd"}, OutputExistsError),
        ({"uncertainty": "there.nrrd"}, OutputExistsError),
        ({"modality": "ct"}, MismatchError),
        ({"structures": ["liver"]}, UnknownNameError),
        ({"ras_to_box": [1.0]}, ConfigError),
        ({"ras_to_box": [0.0] * 16}, ConfigError),
        ({"ras_to_box": [1, 0, 0, 999, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}, GeometryError),
        ({"precision": "fp8"}, UnknownNameError),
        ({"device": "tpu"}, UnknownNameError),
    ],
)
def test_what_cannot_be_done_is_an_error_and_writes_nothing(
    asker: Asker,
    volume: Volume,
    wish: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    error: type[CrossModalSegError],
) -> None:
    del volume
    monkeypatch.chdir(tmp_path)
    Path("there.nrrd").write_text("mine")
    Path("full").mkdir()
    Path("full/other.nrrd").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    wish["output"] = "out/labels.nrrd"
    with pytest.raises(error):
        asker.ask("segment", **{**wish, **change})
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("there.nrrd").read_text() == "mine"


def test_an_existing_output_is_replaced_when_asked_for(
    asker: Asker, volume: Volume, wish: dict[str, Any]
) -> None:
    for _ in range(2):
        asker.ask("segment", **wish, overwrite=True)
    assert np.array_equal(read_labels(wish["output"]).array_kji, volume.array_kji)


def test_cancelled_before_writing_there_is_no_output(
    asker: Asker, volume: Volume, wish: dict[str, Any]
) -> None:
    del volume

    def cancel_at_the_end_of_slices(event: Event) -> None:
        if event["event"] == "progress" and event["stage"] == "slices":
            asker.reporter.cancel.set()

    asker.reporter.add_sink(cancel_at_the_end_of_slices)
    with pytest.raises(Cancelled):
        asker.ask("segment", **wish)
    assert not Path(wish["output"]).exists()


def test_a_map_that_cannot_be_written_takes_the_labels_with_it(
    asker: Asker,
    volume: Volume,
    wish: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del volume

    def full(*_: object, **__: object) -> NoReturn:
        raise StorageError("u.nrrd could not be written: the disk is full.")

    monkeypatch.setattr("CrossModalSegLib.inference.case_results.write_map", full)
    with pytest.raises(StorageError):
        asker.ask("segment", **wish, uncertainty=str(tmp_path / "u.nrrd"))
    assert not Path(wish["output"]).exists()


def test_a_model_that_failed_in_an_unforeseen_way_is_not_used_again(
    asker: Asker, volume: Volume, wish: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del volume
    asker.ask("segment", **wish)
    (first,) = asker.commands._models._predictors.values()

    def broken(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as patch:
        patch.setattr(first, "segment", broken)
        with pytest.raises(RuntimeError):
            asker.ask("segment", **wish, overwrite=True)
    asker.ask("segment", **wish, overwrite=True)
    (second,) = asker.commands._models._predictors.values()
    assert second is not first


def test_warming_up_loads_the_model_for_later(
    asker: Asker, volume: Volume, wish: dict[str, Any]
) -> None:
    del volume
    done = asker.ask("warm_up", model=wish["model"], device="cpu")
    assert done["outputs"] == []
    assert done["summary"]["device"] == "cpu"
    (warm,) = asker.commands._models._predictors.values()
    asker.ask("segment", **wish)
    assert list(asker.commands._models._predictors.values()) == [warm]


def test_devices_are_listed(asker: Asker) -> None:
    summary = asker.ask("devices")["summary"]
    assert summary["devices"][-1]["name"] == "cpu"
    assert summary["recommended"] in {device["name"] for device in summary["devices"]}
    assert summary["explanation"].endswith(".")
