"""Phantoms from the command line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.phantom import Phantom
from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.errors import Cancelled, OutputExistsError, StorageError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.data.phantoms.brain import BRAIN_PHANTOM_VERSION
from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION


def phantom(output: Path, **options: Any) -> Phantom:
    tiny = {"matrix": (12, 8, 12), "spacing": (6.0, 6.0, 6.0)}
    return Phantom(
        **{
            "kind": "cardiac",
            "modality": ("ct",),
            "subjects": 2,
            "output": output,
            **tiny,
            **options,
        }
    )


def images(output: Path) -> dict[str, str]:
    return {
        str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(output.rglob("*.nii.gz"))
    }


def test_the_same_command_makes_the_same_files(tmp_path: Path, reporter: Reporter) -> None:
    for name in ("a", "b"):
        phantom(tmp_path / name, seed=5).run(reporter)
    first = images(tmp_path / "a")
    assert len(first) == 4
    assert first == images(tmp_path / "b")


def test_seeds_and_modalities_have_other_subjects_and_more_subjects_the_same_first_ones(
    tmp_path: Path, reporter: Reporter
) -> None:
    phantom(tmp_path / "a").run(reporter)
    phantom(tmp_path / "seed", seed=1).run(reporter)
    phantom(tmp_path / "mr", modality=("mr_bssfp",)).run(reporter)
    phantom(tmp_path / "more", subjects=3).run(reporter)
    first = images(tmp_path / "a")
    assert not set(first.values()) & set(images(tmp_path / "seed").values())
    assert not set(first.values()) & set(images(tmp_path / "mr").values())
    assert first.items() < images(tmp_path / "more").items()


def test_the_output_says_what_it_is(tmp_path: Path, reporter: Reporter) -> None:
    output = tmp_path / "out"
    phantom(output, seed=7).run(reporter)
    facts = read_json(output / "phantom.json")
    cases = sorted(path.name for path in output.iterdir() if path.is_dir())
    assert facts["cases"] == cases
    assert (facts["seed"], facts["version"]) == (7, CARDIAC_PHANTOM_VERSION)


def test_labels_can_be_left_out(tmp_path: Path, reporter: Reporter) -> None:
    phantom(tmp_path / "out", unlabelled=True).run(reporter)
    assert all(name.endswith("image.nii.gz") for name in images(tmp_path / "out"))


def brain(output: Path, **options: Any) -> Phantom:
    return phantom(output, **{"kind": "brain", "modality": ("t1", "t2"), "subjects": 1, **options})


def test_a_brain_has_an_image_of_each_modality(tmp_path: Path, reporter: Reporter) -> None:
    output = tmp_path / "out"
    brain(output, seed=7).run(reporter)
    (case,) = (path for path in output.iterdir() if path.is_dir())
    assert {path.name for path in case.iterdir()} == {
        "image_t1.nii.gz",
        "image_t2.nii.gz",
        "label.nii.gz",
        "phantom.json",
    }
    facts = read_json(output / "phantom.json")
    assert facts["cases"] == [case.name]
    assert (facts["phantom"], facts["modality"]) == ("brain", ["t1", "t2"])
    assert (facts["seed"], facts["version"]) == (7, BRAIN_PHANTOM_VERSION)
    of_case = read_json(case / "phantom.json")
    assert of_case["modalities"] == ["t1", "t2"]
    assert set(of_case["drawn"]["scans"]) == {"t1", "t2"}


def test_brains_of_one_seed_are_the_same_people_in_every_modality(
    tmp_path: Path, reporter: Reporter
) -> None:
    brain(tmp_path / "both").run(reporter)
    brain(tmp_path / "flair", modality=("flair",)).run(reporter)
    brain(tmp_path / "others", seed=1).run(reporter)
    both, flair, others = (images(tmp_path / name) for name in ("both", "flair", "others"))
    labels = {name for name in both if name.endswith("label.nii.gz")}
    assert labels
    assert {flair[name] for name in labels} == {both[name] for name in labels}
    assert not set(both) & set(others)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "brain", "modality": ("ct",)},
        {"kind": "brain", "modality": ()},
        {"kind": "brain", "modality": ("t1", "t1")},
        {"modality": ("t1",)},
        {"modality": ("ct", "mr_bssfp")},
    ],
)
def test_modalities_of_another_kind_are_usage_errors(
    tmp_path: Path, reporter: Reporter, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError, match="--modality"):
        phantom(tmp_path / "out", **options).run(reporter)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"subjects": 0}, {"spacing": None}, {"matrix": None}])
def test_options_that_make_no_phantom_are_usage_errors(
    tmp_path: Path, reporter: Reporter, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        phantom(tmp_path / "out", **options).run(reporter)
    assert not (tmp_path / "out").exists()


def test_phantoms_are_replaced_on_demand_and_nothing_else_ever_is(
    tmp_path: Path, reporter: Reporter
) -> None:
    output = tmp_path / "out"
    phantom(output, subjects=1).run(reporter)
    with pytest.raises(OutputExistsError):
        phantom(output, subjects=1).run(reporter)
    phantom(output, subjects=1, seed=1, overwrite=True).run(reporter)
    assert read_json(output / "phantom.json")["seed"] == 1
    (output / "phantom.json").unlink()
    with pytest.raises(StorageError):
        phantom(output, subjects=1, overwrite=True).run(reporter)


def test_a_cancelled_phantom_leaves_nothing(tmp_path: Path, reporter: Reporter) -> None:
    def cancel(event: dict[str, Any]) -> None:
        if event["event"] == "progress":
            reporter.cancel.set()

    reporter.add_sink(cancel)
    with pytest.raises(Cancelled):
        phantom(tmp_path / "out", subjects=3).run(reporter)
    assert not list(tmp_path.iterdir())
