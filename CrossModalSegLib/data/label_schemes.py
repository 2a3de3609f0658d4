"""What the label values of public datasets mean in our tasks (facts of each dataset's adapter)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from CrossModalSegLib.core.errors import LabelError
from CrossModalSegLib.core.tasks import Task
from CrossModalSegLib.data.structures import StructureNames


@dataclass(frozen=True, kw_only=True)
class LabelScheme:
    """A dataset's own label values.

    Attributes:
        values: By task name, from the dataset's values to the task's; structures that a task does
            not have are background. A task that is not named takes the values as they are.
        strays: Values that occur by mistake, and the dataset's value that each is read as, with a
            warning.
        names: The dataset's values and what it calls them. Names of the task's classes give their
            values, others background; if none is one, values are taken as they are.
    """

    values: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    strays: Mapping[int, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)

    def value_map(
        self, task: Task, label_names: Mapping[str, str] | None = None
    ) -> dict[int, int] | None:
        """Return our value of each of the dataset's, strays included; None if all are the same.

        Args:
            task: What the labels are to mean.
            label_names: See `CohortSettings`.

        Raises:
            LabelError: The dataset's name of a value stands for several classes together.
            UnknownNameError: `label_names` names a structure that the task does not have.
        """
        own = self.values.get(task.name) or self._by_name(task, label_names)
        if own is None and not self.strays:
            return None
        known = {0: 0, **(own if own is not None else {v: v for v in task.known_values})}
        return {**known, **{stray: known.get(meant, 0) for stray, meant in self.strays.items()}}

    def _by_name(
        self, task: Task, label_names: Mapping[str, str] | None
    ) -> Mapping[int, int] | None:
        """Return the value of the class that each name stands for; None if no name does.

        Raises:
            LabelError: A name stands for several classes together.
        """
        names = StructureNames(task, label_names)
        found = {value: names.of_name(name) for value, name in self.names.items()}
        if not any(found.values()):
            return None
        for value, union in found.items():
            if union and len(union) > 1:
                classes = ", ".join(map(str, sorted(union)))
                raise LabelError(
                    f"The label {value}, {self.names[value]!r}, stands for the classes {classes} "
                    f"of task {task.name!r} together.",
                    hint="Choose a task that has it as one class, e.g. whole_tumour.",
                )
        return {value: next(iter(union)) if union else 0 for value, union in found.items()}
