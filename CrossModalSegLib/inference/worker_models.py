"""The models that a worker keeps loaded."""

from __future__ import annotations

import os
from collections import OrderedDict
from functools import cache

import torch

from CrossModalSegLib.bundle.reading import Bundle
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.inference.predictor import Predictor
from CrossModalSegLib.networks.devices import resolve_device

WARM_MODELS = 2
"""Models at once: of a third, the one that was not used for longest leaves."""

LOAD = "load"
"""Stage in which a model is read."""

_LOAD_STEPS = 2

Key = tuple[str, str, str]
"""Content of the bundle, kind of device, precision: a bundle that was replaced is another one."""


class WarmModels:
    """Loads models, and keeps those that were used last.

    Args:
        limit: How many.
    """

    def __init__(self, limit: int = WARM_MODELS) -> None:
        self._limit = limit
        self._predictors: OrderedDict[Key, Predictor] = OrderedDict()

    def get(self, bundle: Bundle, device: str, precision: str, reporter: Reporter) -> Predictor:
        """Return a model that is ready to predict; reports the stage "load".

        Raises:
            BundleError: It cannot be used.
            DeviceError: The device is not there.
            UnknownNameError: No such device or precision.
            Cancelled: The user stopped it.
        """
        reporter.stage(LOAD, _LOAD_STEPS)
        kind = resolve_device(device).type
        key = (bundle.content_hash, kind, precision)
        predictor = self._predictors.get(key)
        if predictor is not None and predictor.device != kind:
            self.forget(bundle)  # it gave the device up when memory ran out: try it again
            predictor = None
        if predictor is None:
            predictor = self._load(key, bundle, reporter)
        self._predictors.move_to_end(key)
        reporter.progress(LOAD, _LOAD_STEPS, _LOAD_STEPS)
        return predictor

    def forget(self, bundle: Bundle) -> None:
        """Keep a model no longer, on no device."""
        for key in [key for key in self._predictors if key[0] == bundle.content_hash]:
            del self._predictors[key]
        release_device_memory()

    def _load(self, key: Key, bundle: Bundle, reporter: Reporter) -> Predictor:
        while len(self._predictors) >= self._limit:
            self._predictors.popitem(last=False)  # before the next one needs the memory
            release_device_memory()
        reporter.check_cancelled()
        _, device, precision = key
        predictor = Predictor.from_bundle(bundle, device=device, precision=precision)
        reporter.progress(LOAD, 1, _LOAD_STEPS)
        reporter.check_cancelled()
        predictor.warm_up()
        self._predictors[key] = predictor
        return predictor


@cache
def leave_a_core() -> None:
    """Compute with one thread less than torch would, unless the environment says how many.

    A network's threads wait for each other all the time. When other programs need the cores too
    (Slicer, a training), all wait for the one that does not get on: on two busy cores one thread
    segmented a volume of 240x240x155 in 1.4 to 2 s where two took 7 to 11 s, and on two idle cores
    the second thread gained little.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def release_device_memory() -> None:
    """Give memory that torch holds in reserve back to other programs: training, Slicer's views."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
