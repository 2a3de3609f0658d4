"""The folder of a benchmark: where things are, and what was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from CrossModalSegLib.cli.benchmark_suite import Suite, SuiteData, Trial
from CrossModalSegLib.core.config import from_dict, read_json, to_dict, write_json
from CrossModalSegLib.core.errors import OutputExistsError, RunError, storage_errors

FOLDER_VERSION = 1

SCORES_FILE = "scores.json"

VERSION_KEY = "phantom_version"


@dataclass(frozen=True)
class TrialFolder:
    """Everything of one trial: removing the folder removes the trial."""

    path: Path

    @property
    def state_file(self) -> Path:
        """What was trained how, and what came of it (`benchmark_state`)."""
        return self.path / "trial.json"

    @property
    def run(self) -> Path:
        """The training's run folder."""
        return self.path / "run"

    @property
    def bundle(self) -> Path:
        """The model that was chosen without target labels."""
        return self.run / "bundle"

    @property
    def segmentations(self) -> Path:
        """Label maps of the test subjects; whole or not there."""
        return self.path / "segmentations"

    @property
    def scores(self) -> Path:
        """What `evaluate` writes; whole or not there."""
        return self.path / "scores"

    @property
    def last(self) -> Path:
        """Scores of the last iteration's model, for hindsight; whole or not there."""
        return self.path / "last"

    @property
    def is_scored(self) -> bool:
        """Whether the chosen model's scores are there."""
        return (self.scores / SCORES_FILE).is_file()

    @property
    def is_looked_back(self) -> bool:
        """Whether the last iteration's scores are there, or cannot be had any more."""
        checkpoint = self.run / "checkpoints" / "last.ckpt"
        return (self.last / SCORES_FILE).is_file() or not checkpoint.is_file()


@dataclass(frozen=True)
class BenchmarkFolder:
    """Where the benchmark puts things."""

    path: Path

    @property
    def state_file(self) -> Path:
        """Which suite this is, with which subjects."""
        return self.path / "benchmark.json"

    @property
    def lock_file(self) -> Path:
        """Held by the process that works here."""
        return self.path / "benchmark.lock"

    @property
    def results(self) -> Path:
        """Tables and figures."""
        return self.path / "results"

    @property
    def report(self) -> Path:
        """The page that shows everything."""
        return self.path / "report.html"

    def data(self, name: str, group: str) -> Path:
        """Return the folder of volume files of one group of subjects."""
        return self.path / "data" / name / group

    def cohort(self, name: str, task: str, group: str, *, labelled: bool) -> Path:
        """Return a cohort's folder."""
        kind = "labelled" if labelled else "unlabelled"
        return self.path / "cohorts" / name / task / f"{group}_{kind}"

    def trial(self, trial: Trial) -> TrialFolder:
        """Return the folder of a trial."""
        return TrialFolder(self.path / "trials" / trial.name)


def open_folder(path: Path, suite: Suite) -> BenchmarkFolder:
    """Make the folder of a benchmark, or go on in the one that is there.

    A suite may gain and lose rows and directions; its subjects must stay the same people.

    Raises:
        OutputExistsError: Something else is there.
        RunError: The folder's subjects are others.
    """
    folder = BenchmarkFolder(path)
    known: dict[str, Any] = {}
    if folder.state_file.is_file():
        state = read_json(folder.state_file)
        if state.get("v") != FOLDER_VERSION:
            raise RunError(f"{path} was written by another version of the program.")
        known = state["data"]
    elif path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputExistsError(path)
    for name, data in suite.data.items():
        if name in known:
            _require_same_subjects(f"The subjects {name!r} in {path}", known[name], data)
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    subjects = {name: describe_subjects(data) for name, data in suite.data.items()}
    state = {"v": FOLDER_VERSION, "suite": suite.title, "data": {**known, **subjects}}
    write_json(folder.state_file, state)
    return folder


def describe_subjects(data: SuiteData) -> dict[str, Any]:
    """Return what decides about the subjects, as plain JSON values."""
    content: dict[str, Any] = to_dict(data)
    return {**content, VERSION_KEY: phantom_version(data.phantom)}


def _require_same_subjects(where: str, known: dict[str, Any], data: SuiteData) -> None:
    """Refuse other subjects than those that are there.

    Raises:
        RunError: See above.
    """
    before = from_dict(SuiteData, {k: v for k, v in known.items() if k != VERSION_KEY}, where)
    version = phantom_version(data.phantom)
    if before == data and known.get(VERSION_KEY) == version:
        return
    raise RunError(
        f"{where} were made as {before} by version {known.get(VERSION_KEY)} of the phantom; asked "
        f"for are {data} by version {version}. Their scores would not compare.",
        hint="Choose another folder.",
    )


def phantom_version(phantom: str) -> int:
    """Return the version of a phantom."""
    from CrossModalSegLib.data.phantoms.brain import BRAIN_PHANTOM_VERSION
    from CrossModalSegLib.data.phantoms.cardiac import CARDIAC_PHANTOM_VERSION

    return {"cardiac": CARDIAC_PHANTOM_VERSION, "brain": BRAIN_PHANTOM_VERSION}[phantom]
