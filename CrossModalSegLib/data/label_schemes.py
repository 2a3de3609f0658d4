"""What the label values of public datasets mean in our tasks (facts of each dataset's adapter)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from CrossModalSegLib.core.tasks import Task


@dataclass(frozen=True, kw_only=True)
class LabelScheme:
    """A dataset's own label values.

    Attributes:
        values: By task name, from the dataset's values to the task's; structures that a task does
            not have are background. A task that is not named takes the values as they are.
        strays: Values that occur by mistake, and the dataset's value that each is read as, with a
            warning.
    """

    values: Mapping[str, Mapping[int, int]]
    strays: Mapping[int, int] = field(default_factory=dict)

    def value_map(self, task: Task) -> dict[int, int] | None:
        """Return our value of each of the dataset's, strays included; None if all are the same."""
        own = self.values.get(task.name)
        if own is None and not self.strays:
            return None
        known = {0: 0, **(own if own is not None else {v: v for v in task.known_values})}
        return {**known, **{stray: known.get(meant, 0) for stray, meant in self.strays.items()}}


def scheme_of_names(names: Mapping[int, str], task_values: Mapping[str, int]) -> dict[int, int]:
    """Return our value of each named value of a dataset; structures of other names are background.

    Args:
        names: The dataset's values and their names.
        task_values: Names of the task's classes, normalised by `plain_name`, and their values.
    """
    return {value: task_values.get(plain_name(name), 0) for value, name in names.items()}


def plain_name(name: str) -> str:
    """Return a structure's name in small letters and single spaces, to compare names."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
