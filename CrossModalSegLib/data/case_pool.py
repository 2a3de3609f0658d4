"""Doing something for each case, in this process or in several."""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from CrossModalSegLib.core.errors import (
    CohortError,
    CrossModalSegError,
    GeometryError,
    InputFileError,
    LabelError,
)
from CrossModalSegLib.core.events import Reporter

T = TypeVar("T")
R = TypeVar("R")

CASE_PROBLEMS = (InputFileError, GeometryError, LabelError)
"""What can be wrong with the files of one case; everything else stops the whole."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CANCEL_SECONDS = 0.2


def usual_workers(cases: int) -> int:
    """Return how many processes are worth their start: one a processor, one for four cases."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(available or 1, cases // 4))


def run_cases(
    function: Callable[[T], R], items: Sequence[T], workers: int, reporter: Reporter, stage: str
) -> Iterator[tuple[int, R | CrossModalSegError]]:
    """Yield index and result of each item, or what is wrong with its case, as they are ready.

    Each process has the memory of one item at a time.

    Args:
        function: At the top level of a module, or a partial of such a function.
        items: What it is called with.
        workers: Number of processes; 1 is this one.
        reporter: Hears of progress; may cancel between two items.
        stage: Name of the stage.

    Raises:
        Cancelled: The job was cancelled.
        CohortError: A process died.
        CrossModalSegError: Something that concerns all cases, e.g. the disk is full.
    """
    if workers <= 1 or len(items) <= 1:
        for index, item in enumerate(reporter.track(items, stage)):
            yield index, _attempt(function, item)
        return
    reporter.stage(stage, len(items))
    with _pool(min(workers, len(items))) as pool:
        futures = {pool.submit(_attempt, function, item): n for n, item in enumerate(items)}
        for done, future in enumerate(_completed(futures, reporter), start=1):
            try:
                result = future.result()
            except BrokenProcessPool as error:
                raise _died() from error
            yield futures[future], result
            reporter.progress(stage, done, len(items))


def _attempt(function: Callable[[T], R], item: T) -> R | CrossModalSegError:
    try:
        return function(item)
    except CASE_PROBLEMS as error:
        return error


def _completed(
    futures: dict[Future[R | CrossModalSegError], int], reporter: Reporter
) -> Iterator[Future[R | CrossModalSegError]]:
    pending = set(futures)
    while pending:
        reporter.check_cancelled()
        done, pending = wait(pending, _CANCEL_SECONDS, FIRST_COMPLETED)
        yield from done


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes of one thread each, that end with this one."""
    former = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))  # read when numpy is loaded there
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in former.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin() -> None:
    """Prepare a process: Ctrl-C is the parent's to handle; without a parent there is no work."""
    itk: Any = importlib.import_module("SimpleITK")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    itk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _died() -> CohortError:
    return CohortError(
        "A process that prepares cases ended unexpectedly; most likely the memory was not enough.",
        hint="Use fewer --workers; what is prepared already is kept.",
    )
