"""What a benchmark consists of: subjects, directions and rows, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from CrossModalSegLib.core.config import from_dict, read_toml
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError

PhantomKind = Literal["cardiac", "brain"]

PHANTOM_TASKS: Mapping[PhantomKind, tuple[str, ...]] = {
    "cardiac": ("cardiac",),
    "brain": ("brain_tumour", "whole_tumour"),
}
"""What can be segmented on a phantom; the first is what its labels mean."""

PHANTOM_MODALITIES: Mapping[PhantomKind, tuple[str, ...]] = {
    "cardiac": ("ct", "mr_bssfp"),
    "brain": ("t1", "t1ce", "t2", "flair"),
}


@dataclass(frozen=True, kw_only=True)
class SuiteData:
    """Subjects that all directions on these data share.

    Attributes:
        phantom: Which phantom draws them.
        seed: Of the subjects; that of a training is another matter.
        training_subjects: Of each domain.
        test_subjects: Of each modality; no training sees them.
        matrix: Rows and columns of a slice.
        spacing_mm: Distance of rows and of columns.
        validation_fraction: Share of the training subjects that label-free scores are of.
        fat_to_blood: Of cardiac MR, the range of fat's signal relative to blood; None: the usual.
    """

    phantom: PhantomKind
    seed: int = 0
    training_subjects: int = 20
    test_subjects: int = 12
    matrix: tuple[int, int] = (64, 64)
    spacing_mm: tuple[float, float] = (3.0, 3.0)
    validation_fraction: float = 0.1
    fat_to_blood: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class SuiteDirection:
    """One adaptation direction.

    Attributes:
        name: Identifier and name of folders.
        title: For people.
        group: Directions of one group stand in one table.
        data: Name of the subjects.
        task: What is segmented.
        source: Modality with labels.
        target: Modality without.
        metrics: Shown in the benchmark's own tables; Dice is among them.
        presets: Name of a preset -> the one that these data take instead, where a method has it.
        overrides: Changes of the presets of methods that look at target images.
    """

    name: str
    title: str
    group: str
    data: str
    task: str
    source: str
    target: str
    metrics: tuple[str, ...] = ("dice", "assd_voxels")
    presets: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SuiteRow:
    """One line of the tables: a method, as it is or changed.

    Attributes:
        name: Identifier, and the method's name in scores.
        method: In the registry of methods.
        title: For people; "": the method's own.
        overrides: Changes of the preset.
        ablation_of: Row that this one is a change of; such rows have a table of their own.
        only: Only in these directions or groups of directions; none: in all.
        channels: Modalities of each subject that enter together, for supervised rows; none: the
            target alone.
        effort: Rough time of one iteration, relative to source-only's.
    """

    name: str
    method: str
    title: str = ""
    overrides: tuple[str, ...] = ()
    ablation_of: str = ""
    only: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    effort: float = 1.0

    @property
    def is_supervised(self) -> bool:
        """Whether it learns from the labels of the target's training subjects."""
        return self.method == "supervised"

    def inputs(self, direction: SuiteDirection) -> tuple[str, ...]:
        """Return the modalities that its network sees, the target first."""
        others = (name for name in self.channels if name != direction.target)
        return (direction.target, *others)

    def runs_on(self, direction: SuiteDirection) -> bool:
        """Tell whether the row is part of a direction at all."""
        return not self.only or bool({direction.name, direction.group} & set(self.only))


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A whole benchmark.

    Attributes:
        title: For people.
        data: Subjects by name.
        directions: In the order of tables.
        rows: In the order of tables.
        overrides: Changes of every preset.
    """

    title: str
    data: Mapping[str, SuiteData]
    directions: tuple[SuiteDirection, ...]
    rows: tuple[SuiteRow, ...]
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse suites whose names do not fit together.

        Raises:
            ConfigError: A name is there twice, or a direction or row refers to none that there is.
        """
        _require_unique("direction", [direction.name for direction in self.directions])
        _require_unique("row", [row.name for row in self.rows])
        rows = {row.name for row in self.rows}
        for direction in self.directions:
            self._check_direction(direction)
        for row in self.rows:
            if row.ablation_of and row.ablation_of not in rows:
                raise UnknownNameError("row of the suite", row.ablation_of, rows)
            for name in row.only:
                if name not in self.direction_names:
                    raise UnknownNameError("direction of the suite", name, self.direction_names)

    def _check_direction(self, direction: SuiteDirection) -> None:
        if direction.data not in self.data:
            raise UnknownNameError("data of the suite", direction.data, self.data)
        phantom = self.data[direction.data].phantom
        if direction.task not in PHANTOM_TASKS[phantom]:
            raise UnknownNameError(
                f"task of a {phantom} phantom", direction.task, PHANTOM_TASKS[phantom]
            )
        known = PHANTOM_MODALITIES[phantom]
        channels = [name for row in self.rows_of(direction) for name in row.channels]
        for name in (direction.source, direction.target, *channels):
            if name not in known:
                raise UnknownNameError(f"modality of a {phantom} phantom", name, known)

    @property
    def direction_names(self) -> tuple[str, ...]:
        """Names of directions and of their groups."""
        names = [name for d in self.directions for name in (d.name, d.group)]
        return tuple(dict.fromkeys(names))

    def rows_of(self, direction: SuiteDirection) -> tuple[SuiteRow, ...]:
        """Return the rows of a direction."""
        return tuple(row for row in self.rows if row.runs_on(direction))


@dataclass(frozen=True)
class Trial:
    """One training with its scores: a row of a direction, with a seed."""

    direction: SuiteDirection
    row: SuiteRow
    seed: int

    @property
    def name(self) -> str:
        """For messages and as relative path."""
        return f"{self.direction.name}/{self.row.name}/seed_{self.seed}"

    @property
    def block(self) -> tuple[str, int]:
        """Direction and seed: its trials follow one another."""
        return self.direction.name, self.seed


def load_suite(name: str) -> Suite:
    """Return a suite that ships by name, or another one from a TOML file.

    Raises:
        UnknownNameError: No such suite.
        ConfigError: The file does not describe a suite.
    """
    if name.endswith(".toml"):
        content: dict[str, Any] = read_toml(Path(name))
    else:
        folder = resources.files("CrossModalSegLib") / "presets" / "suites"
        known = [entry.name.removesuffix(".toml") for entry in folder.iterdir()]
        if name not in known:
            raise UnknownNameError("suite", name, [*known, "FILE.toml"])
        content = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
    return from_dict(Suite, content, f"suite {name!r}")


def choose_trials(
    suite: Suite, *, rows: Sequence[str], directions: Sequence[str], seeds: Sequence[int]
) -> tuple[Trial, ...]:
    """Return the chosen part of a suite, in the order in which it is trained.

    A seed is finished in all directions before the next one begins.

    Args:
        suite: The whole.
        rows: Names; none: all. A row that is no part of a chosen direction is passed over.
        directions: Names of directions or of groups; none: all.
        seeds: Of the trainings.

    Raises:
        UnknownNameError: No such row, direction or group.
    """
    for name in directions:
        if name not in suite.direction_names:
            raise UnknownNameError("direction of the suite", name, suite.direction_names)
    wanted = {row.name for row in _chosen_rows(suite, rows)}
    return tuple(
        Trial(direction, row, seed)
        for seed in dict.fromkeys(seeds)
        for direction in suite.directions
        if not directions or {direction.name, direction.group} & set(directions)
        for row in suite.rows_of(direction)
        if row.name in wanted
    )


def _chosen_rows(suite: Suite, names: Sequence[str]) -> tuple[SuiteRow, ...]:
    by_name = {row.name: row for row in suite.rows}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("row of the suite", name, by_name)
    return tuple(row for row in suite.rows if not names or row.name in names)


def _require_unique(what: str, names: Iterable[str]) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise ConfigError(f"The suite has two {what}s of the name {name!r}.")
        seen.add(name)
