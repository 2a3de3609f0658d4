"""The demo at a tiny size: everything it promises is there, and an interruption loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from CrossModalSegLib.cli import demo as demo_module
from CrossModalSegLib.cli.demo import METHODS_SHOWN, Demo
from CrossModalSegLib.core.errors import Cancelled, OutputExistsError
from CrossModalSegLib.core.events import CancelToken, Event, Reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import read_image
from CrossModalSegLib.training import train as training
from CrossModalSegLib.training.settings import load_preset

TINY = (
    "method.iterations=4",
    "method.backbone.width=4",
    "method.backbone.levels=3",
    "training.batch_size=2",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.validate_every=2",
    "training.preview_every=4",
)


@pytest.fixture
def tiny_demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Demo:
    """Return a demo with few subjects and few iterations; the rest is as users get it."""
    monkeypatch.setattr(
        training, "load_preset", lambda m, p, t, o, **kw: load_preset(m, p, t, (*o, *TINY), **kw)
    )
    monkeypatch.setattr(demo_module, "TRAINING_SUBJECTS", 3)
    monkeypatch.setattr(demo_module, "TEST_SUBJECTS", 2)
    return Demo(output=tmp_path / "démo output", seed=5, device="cpu")


def test_an_interrupted_demo_goes_on_and_leaves_all_that_it_promises(tiny_demo: Demo) -> None:
    events: list[Event] = []
    cancel = CancelToken()

    def stop_in_dsan(event: Event) -> None:
        if event["event"] == "metrics" and "rec_t" in event["values"]:
            cancel.set()

    with pytest.raises(Cancelled):
        tiny_demo.run(Reporter(sinks=[stop_in_dsan], cancel=cancel))
    folder = tiny_demo.output
    assert json.loads((folder / "demo.json").read_text(encoding="utf-8"))["finished"] is False
    finished_run = folder / "runs" / "source_only" / "journal.jsonl"
    before = finished_run.read_bytes()

    tiny_demo.run(Reporter(sinks=[events.append]))
    assert finished_run.read_bytes() == before
    assert events[-1]["event"] == "done"
    assert [event["event"] for event in events].count("done") == 1
    shares = [e["done"] for e in events if e["event"] == "progress" and e["stage"] == "demo"]
    assert shares == sorted(shares)
    assert shares[-1] == 100

    records = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    cases = sorted(path.name for path in (folder / "data" / "mr_test").iterdir())
    regions = [region.name for region in TASKS["cardiac"].regions]
    expected = {(m, case, region) for m in METHODS_SHOWN for case in cases for region in regions}
    assert {(r["method"], r["case"], r["region"]) for r in records} == expected
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "DSAN" in report
    assert 'src="http' not in report
    assert len(list((folder / "pictures").glob("*.png"))) >= 1
    for method in METHODS_SHOWN:
        for case in cases:
            image = read_image(folder / "data" / "mr_test" / case / "image.nii.gz")
            nifti = read_segmentation(
                folder / "segmentations" / "nifti" / method / f"{case}.nii.gz", TASKS["cardiac"]
            )
            slicer = read_segmentation(
                folder / "segmentations" / "slicer" / method / f"{case}.seg.nrrd",
                TASKS["cardiac"],
                grid=image,
            )
            assert (nifti.array_kji == slicer.array_kji).all()
            assert nifti.shape_kji == image.shape_kji

    with pytest.raises(OutputExistsError):
        tiny_demo.run(Reporter())


def test_training_never_sees_target_labels_or_test_subjects(tiny_demo: Demo) -> None:
    tiny_demo.run(Reporter())
    folder = tiny_demo.output
    assert not list((folder / "cohorts" / "mr").rglob("label.npy"))
    cohorts = {
        name: json.loads((folder / "cohorts" / name / "cohort.json").read_text(encoding="utf-8"))
        for name in ("ct", "mr", "mr_labelled")
    }
    subjects = {name: {c["subject"] for c in cohort["cases"]} for name, cohort in cohorts.items()}
    tested = {path.name for path in (folder / "data" / "mr_test").iterdir()}
    assert not subjects["ct"] & subjects["mr"]
    assert not tested & (subjects["ct"] | subjects["mr"] | subjects["mr_labelled"])
    for method in ("source_only", "source_only_augmented", "dsan"):
        config = json.loads((folder / "runs" / method / "config.json").read_text(encoding="utf-8"))
        assert config["cohorts"]["target"]["path"].endswith("mr")


def test_something_else_in_the_output_folder_is_left_alone(tiny_demo: Demo) -> None:
    tiny_demo.output.mkdir()
    letter = tiny_demo.output / "letter.txt"
    letter.write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExistsError):
        tiny_demo.run(Reporter())
    assert letter.read_text(encoding="utf-8") == "mine"
