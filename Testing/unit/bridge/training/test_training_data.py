"""Two domains on their way to be trained on, by processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.bridge.training import data_export
from CrossModalSegLib.bridge.training.data_choice import (
    CohortFolder,
    DatasetFolder,
    DicomSeries,
    DomainRequest,
    PreparationOptions,
    Role,
)
from CrossModalSegLib.bridge.training.training_data import TrainingData
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume
from Testing.scene.fake_data_commands import fake_commands, make_cohort, survey_row

Poll = Callable[..., float]


class Watched:
    """Training data with what they told."""

    def __init__(self, folder: Path, command: list[str] | None) -> None:
        self.folder = folder
        self.changes = 0
        self.said: list[tuple[Role, str]] = []
        self.data = TrainingData(
            folder / "workspace" / "cohorts", self._count, self._hear, command=command
        )

    @property
    def commands(self) -> list[list[str]]:
        """What was asked of the library, in order."""
        lines = (self.folder / "commands.txt").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def choose(self, role: Role, data: Any, modality: str = "ct") -> DomainRequest:
        """Choose data of a role."""
        request = DomainRequest(role=role, task="cardiac", modality=modality, data=data)
        self.data.set_request(role, request)
        return request

    def _count(self) -> None:
        self.changes += 1

    def _hear(self, role: Role, progress: Any) -> None:
        self.said.append((role, progress.text))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    for role in ("source", "target"):
        make_cohort(tmp_path / role, role)
        rows = [survey_row(f"{role}{number}") for number in range(2)]
        (tmp_path / f"{role}.json").write_text(json.dumps(rows), encoding="utf-8")
    watched = Watched(tmp_path, fake_commands(tmp_path))
    yield watched
    watched.data.shutdown()


def both(watched: Watched) -> None:
    watched.choose("source", DatasetFolder(watched.folder / "source-files"))
    watched.choose("target", DatasetFolder(watched.folder / "target-files"), "mr_bssfp")


def test_nothing_chosen_is_said_first(watched: Watched) -> None:
    assert watched.data.reason_not_to_check() == "Choose the source's data."
    assert watched.data.reason_not_to_prepare() == "Check the data first."
    assert watched.data.reason_not_ready("target") == "Choose the target's data."
    watched.data.check()
    assert not watched.data.is_busy


def test_both_domains_are_checked_then_prepared(watched: Watched, poll_until: Poll) -> None:
    both(watched)
    data = watched.data
    assert data.reason_not_to_check() == ""
    data.check()
    assert data.is_busy
    poll_until(data, lambda: not data.is_busy)
    for role in ("source", "target"):
        summary = data.state(role).summary
        assert summary is not None
        assert summary.title == "folder, two cases"
        assert summary.good_cases == 2
        assert data.state(role).cohort is None
        assert data.reason_not_ready(role) == f"Check and prepare the {role}'s data."
    assert not (watched.folder / "workspace").exists(), "to look writes nothing"
    assert data.reason_not_to_prepare() == ""
    data.prepare()
    poll_until(data, lambda: not data.is_busy)
    cohorts = watched.folder / "workspace" / "cohorts"
    assert data.state("source").cohort == cohorts / "cardiac-ct-source-source_files"
    state = data.state("target")
    assert state.cohort == cohorts / "cardiac-mr_bssfp-target-target_files"
    assert state.picture is not None
    assert state.picture.is_file()
    assert state.summary is not None
    assert state.summary.rows[0].problems == "it may be flipped"
    assert data.reason_not_ready("source") == data.reason_not_ready("target") == ""
    assert data.findings_of_both() == ()
    kinds = [(line[0], "--dry-run" in line) for line in watched.commands]
    assert kinds == [("prepare", True)] * 2 + [("prepare", False), ("inspect", False)] * 2
    assert ("source", "Reading, 2 of 2 cases") in watched.said
    assert ("target", "Drawing a contact sheet") in watched.said
    assert data.reason_not_to_prepare() == "It is prepared already."


def test_what_is_known_is_of_what_is_chosen_now(watched: Watched, poll_until: Poll) -> None:
    data = watched.data
    first = watched.choose("source", DatasetFolder(watched.folder / "source-files"))
    data.check()
    poll_until(data, lambda: not data.is_busy)
    data.prepare()
    poll_until(data, lambda: not data.is_busy)
    cohort = data.state("source").cohort
    assert cohort is not None
    data.set_request("source", replace(first, options=PreparationOptions(matrix=(8, 8))))
    assert data.state("source").summary is None
    assert data.reason_not_ready("source")
    data.set_request("source", first)
    assert data.state("source").cohort == cohort, "the last cohort is remembered"


def test_a_name_that_is_taken_gets_a_number(watched: Watched, poll_until: Poll) -> None:
    data = watched.data
    taken = watched.folder / "workspace" / "cohorts" / "cardiac-ct-source-source_files"
    taken.mkdir(parents=True)
    watched.choose("source", DatasetFolder(watched.folder / "source-files"))
    data.check()
    poll_until(data, lambda: not data.is_busy)
    data.prepare()
    poll_until(data, lambda: not data.is_busy)
    assert data.state("source").cohort == taken.with_name(f"{taken.name}-2")


def test_a_prepared_cohort_is_ready_when_it_was_looked_at(
    watched: Watched, poll_until: Poll
) -> None:
    data = watched.data
    request = watched.choose("source", CohortFolder(watched.folder / "source"), modality="")
    assert data.reason_not_ready("source") == "Check and prepare the source's data."
    data.check()
    poll_until(data, lambda: not data.is_busy)
    assert [line[0] for line in watched.commands] == ["inspect"]
    state = data.state("source")
    assert state.cohort == watched.folder / "source"
    assert state.record is not None
    assert state.record.modality.name == "ct"
    assert data.reason_not_ready("source") == ""
    assert state.reason_not_to_prepare == "It is prepared already."
    data.set_request("source", replace(request, task="abdomen"))
    data.check()
    poll_until(data, lambda: not data.is_busy)
    assert "a cohort for Cardiac substructures" in data.reason_not_ready("source")


def test_a_target_cohort_as_source_is_refused(watched: Watched, poll_until: Poll) -> None:
    watched.choose("source", CohortFolder(watched.folder / "target"))
    watched.data.check()
    poll_until(watched.data, lambda: not watched.data.is_busy)
    assert watched.data.reason_not_ready("source").startswith("The source has no labels")


def test_one_cohort_in_both_domains_is_found_out(watched: Watched, poll_until: Poll) -> None:
    watched.choose("source", CohortFolder(watched.folder / "source"))
    watched.choose("target", CohortFolder(watched.folder / "source"))
    watched.data.check()
    poll_until(watched.data, lambda: not watched.data.is_busy)
    found = watched.data.findings_of_both()
    assert any("source0, source1 are subjects of both" in finding.text for finding in found)
    assert watched.data.findings_of_both() is found, "not worked out again at every look"


def test_nothing_usable_cannot_be_prepared(watched: Watched, poll_until: Poll) -> None:
    rows = [survey_row("source0", "has no label map, as others have")]
    (watched.folder / "source.json").write_text(json.dumps(rows), encoding="utf-8")
    watched.choose("source", DatasetFolder(watched.folder))
    watched.data.check()
    poll_until(watched.data, lambda: not watched.data.is_busy)
    assert watched.data.state("source").reason_not_to_prepare == "None of the cases can be used."


def test_an_error_is_kept_with_its_domain_and_speaks_of_the_page(
    watched: Watched, poll_until: Poll
) -> None:
    error = {"kind": "usage", "message": "They would be paired.", "hint": "Say --domain source."}
    (watched.folder / "error.json").write_text(json.dumps(error), encoding="utf-8")
    both(watched)
    watched.data.check()
    poll_until(watched.data, lambda: not watched.data.is_busy)
    state = watched.data.state("source")
    assert state.error is not None
    assert state.error.kind == "usage"
    assert str(state.error).startswith("They would be paired. Say --domain source. On this page:")
    assert "'The same patients have both kinds of scan'" in str(state.error)
    assert watched.data.state("target").error is not None, "the other domain was looked at, too"
    assert state.summary is None


def test_cancel_stops_both_and_leaves_what_was_known(watched: Watched, poll_until: Poll) -> None:
    both(watched)
    data = watched.data
    data.check()
    poll_until(data, lambda: not data.is_busy)
    (watched.folder / "hold").touch()
    data.prepare()
    poll_until(data, lambda: len(watched.said) > 2 and "1 of 4" in watched.said[-1][1])
    data.cancel()
    poll_until(data, lambda: not data.is_busy)
    assert len(watched.commands) == 3, "the target was not begun"
    assert data.state("source").summary is not None
    assert data.state("source").cohort is None
    assert data.state("source").error is None
    assert data.reason_not_to_prepare() == ""


def test_a_choice_that_was_changed_meanwhile_gets_no_foreign_result(
    watched: Watched, poll_until: Poll
) -> None:
    watched.choose("source", DatasetFolder(watched.folder / "source-files"))
    watched.data.check()
    watched.data.poll()
    other = watched.choose("source", DatasetFolder(watched.folder / "target-files"))
    poll_until(watched.data, lambda: not watched.data.is_busy)
    assert watched.data.state("source").request == other
    assert watched.data.state("source").summary is None


def test_series_of_the_database_are_handed_over_as_a_folder(
    watched: Watched, poll_until: Poll, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = watched.data
    monkeypatch.setattr(data_export, "dicom_database", lambda: None)
    watched.choose("target", DicomSeries(("1.1", "1.2")))
    data.check()
    poll_until(data, lambda: not data.is_busy)
    assert "DICOM database is not open" in str(data.state("target").error)
    files = {uid: tmp_path / f"{uid}.dcm" for uid in ("1.1", "1.2")}
    for uid, path in files.items():
        path.write_text(uid, encoding="utf-8")
    database = SimpleNamespace(
        filesForSeries=lambda uid: [str(files[uid])],
        fileValue=lambda path, _tag: f"P{Path(path).stem[-1]}",
    )
    monkeypatch.setattr(data_export, "dicom_database", lambda: database)
    (tmp_path / "hold").touch()
    data.check()
    poll_until(data, lambda: "1 of 4" in watched.said[-1][1] if watched.said else False)
    arguments = watched.commands[-1]
    root = Path(arguments[arguments.index("--root") + 1])
    there = sorted(str(path.relative_to(root)) for path in root.rglob("*.dcm"))
    assert there == [str(Path("P1", "00000.dcm")), str(Path("P2", "00000.dcm"))]
    assert ("target", "Copying, 1 of 2 cases") in watched.said
    data.cancel()
    poll_until(data, lambda: not data.is_busy)
    assert not root.exists(), "what was handed over is removed"
    assert all(path.exists() for path in files.values())


def test_the_library_itself_checks_and_prepares(tmp_path: Path, poll_until: Poll) -> None:
    values = np.random.default_rng(0).normal(0, 100, (4, 16, 16)).astype(np.float32)
    for name, shift in (("a", 0.0), ("b", 1.0)):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_volume(Volume(values + shift, np.eye(4)), tmp_path / "data" / name / "image.nii.gz")
    (tmp_path / "data" / "b" / "image.nii.gz").write_bytes(b"broken")
    watched = Watched(tmp_path, None)
    data = watched.data
    options = PreparationOptions(matrix=(16, 16), split="100/0/0")
    request = watched.choose("target", DatasetFolder(tmp_path / "data"), "mr_bssfp")
    data.set_request("target", replace(request, options=options))
    data.check()
    poll_until(data, lambda: not data.is_busy, 300)
    summary = data.state("target").summary
    assert summary is not None, data.state("target").error
    assert [(row.case, row.is_good) for row in summary.rows] == [("a", True), ("b", False)]
    data.prepare()
    poll_until(data, lambda: not data.is_busy, 300)
    state = data.state("target")
    assert state.record is not None, state.error
    assert [case.id for case in state.record.cases] == ["a"]
    assert state.summary is not None
    assert not state.summary.rows[-1].is_good
    assert state.picture is not None
    assert state.picture.read_bytes().startswith(b"\x89PNG")
    assert data.reason_not_ready("target") == ""
    data.shutdown()
