"""Files in, files out."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from CrossModalSegLib.bundle.deployment import load_method
from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.bundle.schema import PostProcessing
from CrossModalSegLib.bundle.writing import write_bundle
from CrossModalSegLib.core.errors import (
    Cancelled,
    CohortError,
    ConfigError,
    CrossModalSegError,
    InputFileError,
    MismatchError,
    OutputExistsError,
    StorageError,
    UnknownNameError,
)
from CrossModalSegLib.core.events import Event, Reporter, silent_reporter
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.segmentation_files import read_segmentation
from CrossModalSegLib.data.volume_files import read_image, write_volume
from CrossModalSegLib.inference.files import SegmentOptions, segment_files
from CrossModalSegLib.inference.post_processing import post_process

VolumeMaker = Callable[..., Volume]

CPU = SegmentOptions(device="cpu", batch_size=4)


@pytest.fixture
def write_cases(tmp_path: Path, make_volume: VolumeMaker) -> Callable[..., dict[str, Volume]]:
    """Write volumes by their paths below a folder."""

    def write(*names: str) -> dict[str, Volume]:
        volumes = {}
        for seed, name in enumerate(names):
            volumes[name] = make_volume((6, 5, 7), seed=seed)
            write_volume(volumes[name], tmp_path / name)
        return volumes

    return write


def assert_segments(bundle: Bundle, path: Path, volume: Volume) -> None:
    labels = read_segmentation(path, bundle.config.task)
    assert np.array_equal(labels.array_kji, volume.array_kji)
    np.testing.assert_allclose(labels.affine_ras, volume.affine_ras, atol=1e-6)


def segment(
    bundle: Bundle, inputs: list[Path], output: Path, options: SegmentOptions = CPU
) -> list[str]:
    cases = segment_files(bundle, inputs, output, options, silent_reporter())
    return [case.case for case in cases]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha", ".seg.nrrd"])
def test_a_file_becomes_a_file_of_the_outputs_kind(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]], suffix: str
) -> None:
    name = "Herz Müller 1.nii.gz"
    volume = write_cases(name)[name]
    output = tmp_path / "new folder" / f"ergebnis ä{suffix}"
    assert segment(bundle, [tmp_path / name], output) == ["Herz Müller 1"]
    assert_segments(bundle, output, volume)
    assert {path.name for path in output.parent.iterdir()} == {output.name, "ergebnis ä.json"}


def test_the_json_beside_it_says_what_was_found_and_how(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volume = write_cases("a.nii.gz")["a.nii.gz"]
    segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "out.nii.gz")
    said = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    expected_ml = int((volume.array_kji == 4).sum()) * 3.0 / 1000
    assert said["volumes_ml"]["AA"] == pytest.approx(expected_ml)
    assert said["model"]["content_hash"] == bundle.content_hash
    assert (said["v"], said["device"], said["warnings"]) == (1, "cpu", [])
    assert (said["task"], said["modality"]) == ("cardiac", "mr_bssfp")
    assert said["seconds"] > 0


@pytest.mark.parametrize(
    "names",
    [
        ("in/a.nii.gz", "in/b.mha"),
        ("in/a/image.nii.gz", "in/b/image.nrrd"),
        ("in/a/image_mr_bssfp.nii.gz", "in/b/image_mr_bssfp.nii.gz", "in/b/image_ct.nii.gz"),
        ("in/images/a.nii.gz", "in/images/b.nii.gz"),
    ],
)
def test_a_folder_becomes_a_folder(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    names: tuple[str, ...],
) -> None:
    volumes = write_cases(*names)
    options = SegmentOptions(device="cpu", suffix=".seg.nrrd")
    assert segment(bundle, [tmp_path / "in"], tmp_path / "out", options) == ["a", "b"]
    assert_segments(bundle, tmp_path / "out" / "a.seg.nrrd", volumes[names[0]])
    assert_segments(bundle, tmp_path / "out" / "b.seg.nrrd", volumes[names[1]])


def test_several_files_become_a_folder_named_by_case(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    names = ("x/image.nii.gz", "y/image.nii.gz", "z.nrrd")
    write_cases(*names)
    inputs = [tmp_path / name for name in names]
    assert segment(bundle, inputs, tmp_path / "out") == ["x", "y", "z"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.nii.gz")) == [
        "x.nii.gz",
        "y.nii.gz",
        "z.nii.gz",
    ]


def test_cases_of_one_name_are_refused(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    names = ("x/a.nii.gz", "y/a.nii.gz")
    write_cases(*names)
    with pytest.raises(CohortError, match="name the same case 'a'"):
        segment(bundle, [tmp_path / name for name in names], tmp_path / "out")


@pytest.mark.parametrize("existing", ["b.nii.gz", "b.json"])
def test_outputs_that_exist_stop_it_before_any_work(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    existing: str,
) -> None:
    write_cases("in/a.nii.gz", "in/b.nii.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / existing).write_text("mine")
    with pytest.raises(OutputExistsError, match=existing):
        segment(bundle, [tmp_path / "in"], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [existing]
    assert (tmp_path / "out" / existing).read_text() == "mine"
    overwriting = SegmentOptions(device="cpu", overwrite=True)
    assert segment(bundle, [tmp_path / "in"], tmp_path / "out", overwriting) == ["a", "b"]


def test_an_input_is_never_replaced(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    write_cases("in/a.nii.gz")
    before = (tmp_path / "in" / "a.nii.gz").read_bytes()
    overwriting = SegmentOptions(device="cpu", overwrite=True)
    for inputs in (tmp_path / "in", tmp_path / "in" / "a.nii.gz"):
        with pytest.raises(ConfigError, match="would replace the input"):
            segment(bundle, [inputs], tmp_path / "in", overwriting)
    assert (tmp_path / "in" / "a.nii.gz").read_bytes() == before


def test_a_case_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volumes = write_cases("in/a.nii.gz", "in/c.nii.gz")
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"no image")
    events: list[Event] = []
    with pytest.raises(InputFileError, match="1 of 3 cases could not be segmented: b: "):
        segment_files(
            bundle, [tmp_path / "in"], tmp_path / "out", CPU, Reporter(sinks=[events.append])
        )
    for case in ("a", "c"):
        assert_segments(bundle, tmp_path / "out" / f"{case}.nii.gz", volumes[f"in/{case}.nii.gz"])
    assert sum(event["event"] == "warning" for event in events) == 1
    done = [e["done"] for e in events if e["event"] == "progress" and e["stage"] == "cases"]
    assert done == [1, 2, 3]


def test_cancelling_keeps_what_is_finished_and_leaves_no_halves(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    write_cases("in/a.nii.gz", "in/b.nii.gz")
    reporter = Reporter()

    def cancel_after_first_case(event: Event) -> None:
        if event["event"] == "progress" and event["stage"] == "cases":
            reporter.cancel.set()

    reporter.add_sink(cancel_after_first_case)
    with pytest.raises(Cancelled):
        segment_files(bundle, [tmp_path / "in"], tmp_path / "out", CPU, reporter)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.json", "a.nii.gz"]


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd"])
def test_a_full_disk_leaves_no_halves(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    monkeypatch: pytest.MonkeyPatch,
    suffix: str,
) -> None:
    write_cases("in/a.nii.gz")

    def fail(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    options = SegmentOptions(device="cpu", suffix=suffix)
    with pytest.raises(StorageError, match="disk is full"):
        segment(bundle, [tmp_path / "in"], tmp_path / "out", options)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("inputs", "output", "error", "message"),
    [
        ((), "out", InputFileError, "No input"),
        (("absent.nii.gz",), "out.nii.gz", InputFileError, "There is no"),
        (("empty",), "out", InputFileError, "no volumes that can be read"),
        (("a.nii.gz",), "out.xyz", InputFileError, "ending '.xyz', which cannot be written"),
        (("a.nii.gz", "b.nii.gz"), "out.nii.gz", ConfigError, "is a file, but the input"),
        (("a.nii.gz", "empty"), "out", ConfigError, "given beside other inputs"),
    ],
)
def test_requests_that_make_no_sense_are_refused(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    inputs: tuple[str, ...],
    output: str,
    error: type[Exception],
    message: str,
) -> None:
    write_cases("a.nii.gz", "b.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=message):
        segment(bundle, [tmp_path / name for name in inputs], tmp_path / output)
    assert not (tmp_path / output).exists()


def test_a_bundle_for_another_task_or_modality_is_refused(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    write_cases("a.nii.gz")
    for options in (SegmentOptions(task="abdomen"), SegmentOptions(modality="ct")):
        with pytest.raises(MismatchError):
            segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "out.nii.gz", options)


def test_an_ending_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'\.stl'"):
        SegmentOptions(suffix=".stl")


def test_structures_that_were_not_asked_for_become_background(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volume = write_cases("a.nii.gz")["a.nii.gz"]
    options = SegmentOptions(device="cpu", structures=("MYO",))
    for name in ("a.nrrd", "b.seg.nrrd"):
        segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "out" / name, options)
        labels = read_segmentation(tmp_path / "out" / name, bundle.config.task)
        assert np.array_equal(labels.array_kji, (volume.array_kji == 1).astype(np.uint8))
    said = json.loads((tmp_path / "out" / "a.json").read_text())
    assert list(said["volumes_ml"]) == ["MYO"]
    unknown = SegmentOptions(device="cpu", structures=("liver",))
    with pytest.raises(UnknownNameError, match="'liver'"):
        segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "c.nrrd", unknown)


def test_uncertainty_maps_go_where_they_were_asked_to(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volumes = write_cases("in/a.nii.gz", "in/b.mha")
    one = SegmentOptions(device="cpu", uncertainty=tmp_path / "u.nrrd")
    segment(bundle, [tmp_path / "in" / "a.nii.gz"], tmp_path / "a.nrrd", one)
    several = SegmentOptions(device="cpu", uncertainty=tmp_path / "maps")
    segment(bundle, [tmp_path / "in"], tmp_path / "out", several)
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["a.nii.gz", "b.nii.gz"]
    for path in (tmp_path / "u.nrrd", tmp_path / "maps" / "a.nii.gz"):
        found = read_image(path)
        assert found.shape_kji == volumes["in/a.nii.gz"].shape_kji
        assert 0 <= found.array_kji.min() < found.array_kji.max() <= 1


@pytest.mark.parametrize(
    ("uncertainty", "error"),
    [
        ("a.nrrd", ConfigError),  # also the segmentation
        ("in/a.nii.gz", ConfigError),  # also the input
        ("there.nrrd", OutputExistsError),
        ("u.seg.nrrd", InputFileError),
        ("u.txt", InputFileError),
    ],
)
def test_uncertainty_maps_that_cannot_be_stop_it_before_any_work(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    uncertainty: str,
    error: type[CrossModalSegError],
) -> None:
    write_cases("in/a.nii.gz")
    (tmp_path / "there.nrrd").write_text("mine")
    options = SegmentOptions(device="cpu", uncertainty=tmp_path / uncertainty)
    with pytest.raises(error):
        segment(bundle, [tmp_path / "in" / "a.nii.gz"], tmp_path / "a.nrrd", options)
    assert not (tmp_path / "a.nrrd").exists()
    assert (tmp_path / "there.nrrd").read_text() == "mine"


def said_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_several_models_become_one_and_the_json_names_all(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volume = write_cases("a.nii.gz")["a.nii.gz"]
    other = replace(bundle.config, name="other", post_processing=PostProcessing(minimum_ml=1.0))
    weights = load_method(bundle).state_dict()
    second = write_bundle(tmp_path / "second", other, weights)
    cases = segment_files(
        [bundle, second], [tmp_path / "a.nii.gz"], tmp_path / "o.nrrd", CPU, silent_reporter()
    )
    assert [case.case for case in cases] == ["a"]
    assert_segments(bundle, tmp_path / "o.nrrd", volume)
    said = said_of(tmp_path / "o.json")
    assert said["model"]["name"] == "bands + other"
    hashes = [model["content_hash"] for model in said["models"]]
    assert hashes == [bundle.content_hash, second.content_hash]
    abdomen = replace(other, task=TASKS["abdomen"])
    third = write_bundle(tmp_path / "third", abdomen, weights)
    with pytest.raises(MismatchError, match="for the task 'cardiac'"):
        segment_files(
            [bundle, third], [tmp_path / "a.nii.gz"], tmp_path / "p.nrrd", CPU, Reporter()
        )


def test_a_single_model_is_named_as_before(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    write_cases("a.nii.gz")
    segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "o.nrrd")
    said = said_of(tmp_path / "o.json")
    assert said["models"] == [said["model"]]
    assert said["model"]["name"] == "bands"


def test_probabilities_and_maps_get_a_folder_a_case(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def maps(self: Any, x_t: Any) -> dict[str, Any]:
        del self
        return {"seen": x_t}

    monkeypatch.setattr(type(load_method(bundle)), "maps", maps)
    volumes = write_cases("in/a.nii.gz", "in/b.mha")
    options = replace(CPU, probabilities=tmp_path / "p", maps=tmp_path / "m")
    segment(bundle, [tmp_path / "in"], tmp_path / "out", options)
    names = ["AA", "LAC", "LVC", "MYO", "background"]
    for case in "ab":
        found = sorted(path.name for path in (tmp_path / "p" / case).iterdir())
        assert found == [f"{name}.nii.gz" for name in names]
    share = read_image(tmp_path / "p" / "b" / "AA.nii.gz")
    np.testing.assert_allclose(share.array_kji, volumes["in/b.mha"].array_kji == 4, atol=1e-3)
    np.testing.assert_allclose(share.affine_ras, volumes["in/b.mha"].affine_ras, atol=1e-5)
    seen = read_image(tmp_path / "m" / "a" / "seen.nii.gz").array_kji
    np.testing.assert_allclose(seen, volumes["in/a.nii.gz"].array_kji / 2 - 1, atol=1e-6)
    (tmp_path / "out" / "a.nii.gz").unlink()
    (tmp_path / "out" / "b.nii.gz").unlink()
    for path in (tmp_path / "out").glob("*.json"):
        path.unlink()
    with pytest.raises(OutputExistsError, match="p/a exists"):
        segment(bundle, [tmp_path / "in"], tmp_path / "out", options)
    segment(bundle, [tmp_path / "in"], tmp_path / "out", replace(options, overwrite=True))


def test_region_rules_and_flips_are_kept_to_and_noted(
    tmp_path: Path, bundle: Bundle, write_cases: Callable[..., dict[str, Volume]]
) -> None:
    volume = write_cases("a.nii.gz")["a.nii.gz"]
    mask = np.zeros(volume.shape_kji, np.uint8)
    mask[2:5, 1:4, 2:6] = 1
    write_volume(volume.with_array(mask), tmp_path / "mask.nrrd")
    options = replace(
        CPU,
        region=(str(tmp_path / "mask.nrrd"),),
        flips=("left-right", "superior-inferior"),
        largest_component=True,
        minimum_ml=0.001,
    )
    segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "o.nrrd", options)
    labels = read_image(tmp_path / "o.nrrd").array_kji
    assert not labels[mask == 0].any()
    inside = Volume((volume.array_kji * mask).astype(np.uint8), volume.affine_ras)
    rules = PostProcessing(largest_component=True, minimum_ml=0.001)
    assert np.array_equal(labels, post_process(inside, rules, bundle.config.task).array_kji)
    said = said_of(tmp_path / "o.json")
    assert said["flips"] == ["left-right", "superior-inferior"]
    assert said["post_processing"] == {"largest_component": True, "minimum_ml": 0.001}
    assert said["has_region"] is True


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"flips": ("anterior-posterior",)}, ConfigError),
        ({"flips": ("sideways",)}, UnknownNameError),
        ({"region": ("1", "2")}, ConfigError),
        ({"minimum_ml": -1.0}, ConfigError),
        ({"probabilities": Path("a.nrrd")}, ConfigError),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(
    tmp_path: Path,
    bundle: Bundle,
    write_cases: Callable[..., dict[str, Volume]],
    change: dict[str, Any],
    error: type[CrossModalSegError],
) -> None:
    write_cases("a.nii.gz")
    with pytest.raises(error):
        segment(bundle, [tmp_path / "a.nii.gz"], tmp_path / "o.nrrd", replace(CPU, **change))
    assert not (tmp_path / "o.nrrd").exists()
