"""What is asked of `prepare`, and why it cannot be asked yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from CrossModalSegLib.bridge.training.data_choice import (
    CohortFolder,
    DatasetFolder,
    DicomSeries,
    DomainRequest,
    PreparationOptions,
    ScenePairs,
    SceneVolumes,
    cohort_name,
    prepare_arguments,
    read_meanings,
    read_numbers,
    reason_not_to_check,
)
from CrossModalSegLib.cli.main import read_command
from CrossModalSegLib.core.errors import ConfigError


@pytest.fixture
def request_of_folder(tmp_path: Path) -> DomainRequest:
    data = DatasetFolder(tmp_path)
    return DomainRequest(role="source", task="cardiac", modality="ct", data=data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": ""}, "Choose a task"),
        ({"data": None}, "Choose the source's data"),
        ({"data": DatasetFolder(Path("/no/such"))}, "does not exist"),
        ({"data": CohortFolder(Path("/no/such"))}, "does not exist"),
        ({"modality": ""}, "what kind of scans the source's are"),
        ({"data": ScenePairs(())}, "add pairs"),
        ({"data": SceneVolumes(("v",))}, "needs labels"),
        ({"data": DicomSeries(("1.2",))}, "needs labels"),
        ({"role": "target", "data": SceneVolumes(())}, "check volumes"),
        ({"role": "target", "data": DicomSeries(())}, "check series"),
    ],
)
def test_what_is_missing_is_said(
    request_of_folder: DomainRequest, change: dict[str, Any], said: str
) -> None:
    assert reason_not_to_check(request_of_folder) == ""
    assert said in reason_not_to_check(replace(request_of_folder, **change))


def test_a_cohort_needs_no_modality(request_of_folder: DomainRequest, tmp_path: Path) -> None:
    wanted = replace(request_of_folder, data=CohortFolder(tmp_path), modality="")
    assert reason_not_to_check(wanted) == ""


def test_the_command_line_reads_what_is_asked(request_of_folder: DomainRequest) -> None:
    options = PreparationOptions(
        matrix=(64, 48), spacing_mm=(3.0, 2.5), split="70/10/20", divides_patients=True
    )
    wanted = replace(request_of_folder, options=options, meanings=("205=1", "420=2"))
    command: Any = read_command(prepare_arguments(wanted, Path("in"), Path("out")))
    assert (command.root, command.output, command.task) == (Path("in"), Path("out"), "cardiac")
    assert (command.modality, command.labels, command.domain) == (("ct",), "required", "source")
    assert (command.matrix, command.spacing, command.split) == ((64, 48), (3.0, 2.5), "70/10/20")
    assert (command.label_values, command.label_names) == (("205=1", "420=2"), ())
    assert command.dataset == "auto"


def test_labels_of_the_target_are_not_opened(request_of_folder: DomainRequest) -> None:
    wanted = replace(request_of_folder, role="target", meanings=("205=1",))
    command: Any = read_command(prepare_arguments(wanted, Path("in"), Path("out")))
    assert (command.labels, command.label_values, command.domain) == ("ignored", (), None)


def test_names_of_structures_are_no_label_values(request_of_folder: DomainRequest) -> None:
    wanted = replace(request_of_folder, meanings=read_meanings("left ventricle=LVC, Couch="))
    command: Any = read_command(prepare_arguments(wanted, Path("in"), Path("out")))
    assert (command.label_values, command.label_names) == ((), ("left ventricle=LVC", "Couch="))


def test_a_cohorts_name_says_what_it_is_of() -> None:
    folder = DatasetFolder(Path("/data/MM-WHS 2017 (CT)"))
    wanted = DomainRequest(role="source", task="a/my task.toml", modality="ct", data=folder)
    assert cohort_name(wanted) == "my_task-ct-source-MM_WHS_2017_CT"
    assert cohort_name(replace(wanted, role="target", data=DicomSeries(("1",)))).endswith(
        "-target-dicom"
    )
    assert cohort_name(replace(wanted, data=ScenePairs(()))).endswith("-source-scene")


def test_two_numbers_are_read_in_any_usual_form() -> None:
    assert read_numbers("", "x", whole=True) is None
    assert read_numbers("256", "x", whole=True) == (256, 256)
    assert read_numbers("256 x 192", "x", whole=True) == (256, 192)
    assert read_numbers("1.5, 2", "x", whole=False) == (1.5, 2.0)


@pytest.mark.parametrize("text", ["a b", "1 2 3", "0 1", "-1 1", "nan 1", "inf 1", "64.5 64"])
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="The size"):
        read_numbers(text, "The size", whole=True)


@pytest.mark.parametrize("text", ["205", "=1", "205=1 420", " = "])
def test_meanings_without_both_sides_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="expected something like"):
        read_meanings(text + ", x")
