"""Drawing batches of slices from cohorts: seeded, balanced over classes, exactly resumable."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from CrossModalSegLib.core.errors import CohortError, ConfigError, MismatchError
from CrossModalSegLib.core.tensors import Images, Labels, UnpairedBatch
from CrossModalSegLib.data.cohort import (
    Cohort,
    CohortCase,
    require_labelled,
    require_same_channels,
)
from CrossModalSegLib.data.split_names import Split

Augment = Callable[[Images, Labels | None, Generator], tuple[Images, Labels | None]]
"""A random change of a batch; draws from the generator alone."""


@dataclass(frozen=True, kw_only=True)
class ClassBalance:
    """How often rare structures are seen.

    Attributes:
        fraction: Share of a batch that is chosen to hold a given class, each class in turn; the
            rest is uniform over all slices.
        minimum_voxels: A slice holds a class from this many voxels on.
        match_heights: Whether target slices are drawn at the heights, in their volumes, of the
            source slices that were chosen; else uniformly. Otherwise the source shows more of the
            body in a slice than the target does, and translators learn to take it away. Of use
            where the volumes of both domains show the same part of the body.
        from_iteration: Until this iteration all slices are drawn uniformly. Set it to the length of
            a stage that learns translators alone: they need no class more often than the target
            shows it, and take away what the source shows too often.
    """

    fraction: float = 0.75
    minimum_voxels: int = 8
    match_heights: bool = False
    from_iteration: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that mean nothing.

        Raises:
            ConfigError: The fraction is not in [0, 1], the minimum is not positive, or the
                iteration is negative.
        """
        if not 0 <= self.fraction <= 1 or self.minimum_voxels < 1 or self.from_iteration < 0:
            raise ConfigError(
                f"A class balance of {self.fraction} from {self.minimum_voxels} voxels and "
                f"iteration {self.from_iteration} on was given, expected a fraction in [0, 1], at "
                "least 1 voxel and an iteration from 0 on."
            )


MATCHED_HEIGHT = 0.05
"""Largest difference of the heights of two slices that are matched; the volume is 1 high."""


@dataclass(frozen=True)
class SliceBatch:
    """Slices of one domain."""

    images: Images
    labels: Labels | None


class SliceSampler:
    """Draws slices of one split of a cohort, with replacement.

    Each slice is read from the cohort's memory maps when it is drawn; only the numbers of the
    slices that hold each class are kept, a few bytes a slice.

    Args:
        cohort: Where slices come from.
        split: Part of the cohort.
        batch_size: Slices in a batch.
        seed: Another seed draws other slices.
        balance: How labelled slices are balanced. None: uniform, and no file of labels is opened.

    Raises:
        CohortError: The split is empty, or labels are wanted and missing or all background.
        ConfigError: The batch size is not positive.
    """

    def __init__(
        self,
        cohort: Cohort,
        split: Split,
        batch_size: int,
        seed: int,
        balance: ClassBalance | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"A batch size of {batch_size} was given, expected at least 1.")
        self.cohort = cohort
        self.batch_size = batch_size
        self._cases = cohort.in_split(split)
        self._first_slices = _first_slices(self._cases)
        self._by_class: tuple[NDArray[np.int32], ...] = ()
        self._is_labelled = balance is not None
        self._balanced_count = 0
        self._uniform_batches = 0 if balance is None else balance.from_iteration
        self._next_class = 0
        self._generator = Generator().manual_seed(derive_seed(seed, f"slices of {split}"))
        self._check_cases(split)
        if balance is not None:
            require_labelled(cohort)
            self._balanced_count = round(balance.fraction * batch_size)
            self._by_class = tuple(
                slices
                for slices in _slices_by_class(cohort, self._cases, balance.minimum_voxels)
                if slices.size
            )
            if self._balanced_count and not self._by_class:
                raise CohortError(
                    f"No slice of split {split!r} of {cohort.folder} holds "
                    f"{balance.minimum_voxels} voxels of any class.",
                    hint="Check the label maps, the task and the preprocessing.",
                )

    def __len__(self) -> int:
        """Return the number of slices that can be drawn."""
        return int(self._first_slices[-1])

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Rows and columns of every slice."""
        return self._cases[0].shape[1:]

    def next(self) -> SliceBatch:
        """Draw the next batch."""
        return self.read(self.draw())

    def draw(self) -> list[int]:
        """Draw the numbers of the next batch's slices."""
        balanced_count = 0 if self._uniform_batches else self._balanced_count
        self._uniform_batches = max(0, self._uniform_batches - 1)
        chosen = [self._draw_balanced() for _ in range(balanced_count)]
        return chosen + [self._draw(len(self)) for _ in range(self.batch_size - len(chosen))]

    def draw_at(self, heights: Sequence[float]) -> list[int]:
        """Draw the number of a slice of any case near each height.

        Args:
            heights: 0 is a volume's first slice, 1 its last.
        """
        chosen = []
        for height in heights:
            place = self._draw(len(self._cases))
            shift = MATCHED_HEIGHT * (2 * torch.rand((), generator=self._generator).item() - 1)
            depth = self._cases[place].shape[0]
            row = round(min(max(height + shift, 0.0), 1.0) * (depth - 1))
            chosen.append(int(self._first_slices[place]) + row)
        return chosen

    def heights(self, slice_numbers: Sequence[int]) -> list[float]:
        """Return where slices lie in their volumes, from 0 (the first) to 1 (the last)."""
        places = [self._place(number) for number in slice_numbers]
        return [row / max(1, case.shape[0] - 1) for case, row in places]

    def read(self, slice_numbers: Sequence[int]) -> SliceBatch:
        """Read slices by their number in the split, from 0 to len - 1."""
        images, labels = [], []
        for number in slice_numbers:
            case, row = self._place(number)
            images.append(np.array(self.cohort.channels(case)[row], dtype=np.float32))
            stored = self.cohort.labels(case) if self._is_labelled else None
            if stored is not None:
                labels.append(np.array(stored[row], dtype=np.int64))
        return SliceBatch(
            images=torch.from_numpy(np.stack(images)),
            labels=torch.from_numpy(np.stack(labels)) if labels else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to draw the same slices."""
        return {
            "generator": self._generator.get_state(),
            "next_class": self._next_class,
            "uniform_batches": self._uniform_batches,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._generator.set_state(state["generator"])
        self._next_class = int(state["next_class"])
        self._uniform_batches = int(state.get("uniform_batches", 0))

    def _place(self, number: int) -> tuple[CohortCase, int]:
        """Return the case of a slice, and which of its slices it is."""
        place = int(np.searchsorted(self._first_slices, number, side="right")) - 1
        return self._cases[place], number - int(self._first_slices[place])

    def _draw(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self._generator))

    def _draw_balanced(self) -> int:
        slices = self._by_class[self._next_class]
        self._next_class = (self._next_class + 1) % len(self._by_class)
        return int(slices[self._draw(slices.size)])

    def _check_cases(self, split: Split) -> None:
        if not self._cases:
            raise CohortError(
                f"Split {split!r} of {self.cohort.folder} has no cases.",
                hint="Prepare the cohort with other split fractions.",
            )
        shapes = sorted({case.shape[1:] for case in self._cases})
        if len(shapes) > 1:
            raise CohortError(
                f"The slices of {self.cohort.folder} differ in size: {shapes}.",
                hint="Prepare the cohort again; its preprocessing sets one size.",
            )


class UnpairedSampler:
    """Draws labelled source slices and unrelated target slices whose labels it never opens.

    Args:
        source: Labelled; its split `train` is drawn from, balanced over classes.
        target: Its split `train` is drawn from.
        batch_size: Slices of each domain.
        seed: Of all that is random here.
        augment: Changes source slices with their labels, and target slices (labels None).
        balance: How source slices are balanced, and what is drawn beside them.

    Raises:
        CohortError: The source has no labels, or a split is empty.
        MismatchError: Slices of source and target differ in size or channels.
    """

    def __init__(
        self,
        source: Cohort,
        target: Cohort,
        batch_size: int,
        seed: int,
        augment: Augment | None = None,
        balance: ClassBalance | None = None,
    ) -> None:
        balance = balance or ClassBalance()
        self._source = SliceSampler(
            source, "train", batch_size, derive_seed(seed, "source"), balance
        )
        self._target = SliceSampler(target, "train", batch_size, derive_seed(seed, "target"))
        self._matches_heights = balance.match_heights
        self._augment = augment
        self._generator = Generator().manual_seed(derive_seed(seed, "augmentation"))
        if self._source.slice_shape != self._target.slice_shape:
            raise MismatchError(
                f"Slices of {source.folder} have {self._source.slice_shape} rows and columns, "
                f"those of {target.folder} {self._target.slice_shape}; expected the same.",
                hint="Prepare both cohorts with the same matrix.",
            )
        require_same_channels(source, target)

    def next(self) -> UnpairedBatch:
        """Draw the next batch."""
        chosen = self._source.draw()
        source = self._source.read(chosen)
        if self._matches_heights:
            heights = self._source.heights(chosen)
            target = self._target.read(self._target.draw_at(heights))
        else:
            target = self._target.next()
        x_s, y_s, x_t = source.images, source.labels, target.images
        if self._augment is not None:
            x_s, y_s = self._augment(x_s, y_s, self._generator)
            x_t, _ = self._augment(x_t, None, self._generator)
        return UnpairedBatch(x_s=x_s, y_s=_required(y_s), x_t=x_t)

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and integers from which the same batches follow."""
        return {
            "source": self._source.state_dict(),
            "target": self._target.state_dict(),
            "augmentation": self._generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._source.load_state_dict(state["source"])
        self._target.load_state_dict(state["target"])
        self._generator.set_state(state["augmentation"])


def derive_seed(seed: int, purpose: str) -> int:
    """Return a seed for one purpose, unrelated to those for others, the same everywhere."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _first_slices(cases: Sequence[CohortCase]) -> NDArray[np.int64]:
    """Return the number of each case's first slice, and after the last the total."""
    return np.cumsum([0, *(case.shape[0] for case in cases)])


def _slices_by_class(
    cohort: Cohort, cases: Sequence[CohortCase], minimum_voxels: int
) -> list[NDArray[np.int32]]:
    """Return, for each class but background, the numbers of the slices that hold it."""
    counts = [cohort.slice_classes(case) for case in cases]
    table = np.concatenate([rows for rows in counts if rows is not None])
    return [
        np.flatnonzero(table[:, value] >= minimum_voxels).astype(np.int32)
        for value in range(1, cohort.task.num_classes)
    ]


def _required(labels: Tensor | None) -> Tensor:
    if labels is None:
        raise TypeError("The augmentation returned no labels for labelled slices.")
    return labels
