"""Which cases a report shows: the typical, the best and the worst, by a rule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from CrossModalSegLib.core.errors import UnknownNameError
from CrossModalSegLib.evaluation.comparison import Direction
from CrossModalSegLib.evaluation.score_table import AUGMENTED, BOUNDS
from CrossModalSegLib.evaluation.significance import AVERAGE, case_values


@dataclass(frozen=True)
class ChosenCase:
    """A case and why it is shown.

    Attributes:
        kind: "typical", "best" or "worst".
        case: Its name.
        dice: Mean Dice in percent by which it was chosen.
    """

    kind: str
    case: str
    dice: float


def choose_cases(direction: Direction, focus: str = "") -> tuple[ChosenCase, ...]:
    """Choose by the mean Dice over the regions: nearest to the median, highest, lowest.

    Args:
        direction: The scores.
        focus: Choose by this method alone; "": by the mean over the methods that are no bounds,
            or over all where there are only bounds.

    Raises:
        UnknownNameError: No such method.
    """
    if focus and focus not in direction.methods:
        raise UnknownNameError("method", focus, direction.methods)
    bounds = (*BOUNDS, AUGMENTED)
    competing = [name for name in direction.methods if name not in bounds]
    methods = [focus] if focus else competing or list(direction.methods)
    by_method = [case_values(direction, name, "dice", AVERAGE) for name in methods]
    means = {
        case: float(np.mean([values[case] for values in by_method]))
        for case in direction.cases
        if all(case in values for values in by_method)
    }
    if not means:
        return ()
    median = float(np.median(list(means.values())))
    choices = {
        "typical": min(means, key=lambda case: (abs(means[case] - median), case)),
        "best": max(means, key=lambda case: (means[case], case)),
        "worst": min(means, key=lambda case: (means[case], case)),
    }
    chosen = [ChosenCase(kind, case, means[case]) for kind, case in choices.items()]
    first_of = {entry.case: entry for entry in reversed(chosen)}  # no case twice
    return tuple(entry for entry in chosen if first_of[entry.case] is entry)
