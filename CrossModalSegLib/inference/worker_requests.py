"""What a worker is asked, one JSON object a line of its standard input (CONTRACTS: Events)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from CrossModalSegLib.core.config import from_dict, parse_json
from CrossModalSegLib.core.errors import ConfigError, CrossModalSegError, UnknownNameError

REQUEST_VERSION = 1

WORKER = "worker"
"""Job of the events that belong to no job."""

MAX_LINE_BYTES = 2**20
"""Far more than any request needs."""

_CHUNK_BYTES = 2**16


class RequestError(CrossModalSegError):
    """A request cannot be understood.

    Args:
        message: What was got and what was expected.
        hint: What to do about it.
        job: The job that was meant, as far as that could be read.
    """

    kind: ClassVar[str] = "request"

    def __init__(self, message: str, *, hint: str = "", job: str = WORKER) -> None:
        super().__init__(message, hint=hint)
        self.job = job


@dataclass(frozen=True, kw_only=True)
class SegmentArguments:
    """One case to segment.

    Attributes:
        model: A model's name in the library, or the path of a bundle.
        further_models: The others of an ensemble; none: the model alone.
        inputs: As many as the model takes images: volume files, or folders of one DICOM series.
        output: File of the labels; its ending is the format.
        series: Part of the description of the DICOM series that is meant; "": any.
        device: "auto", "cuda", "mps" or "cpu".
        precision: "auto", "32-true", "bf16-mixed" or "16-mixed".
        uncertainty: File of the uncertainty map; "": none.
        probabilities: Folder of a map of each class; "": none.
        maps: Folder of what the method has to show; "": nothing.
        structures: Names of regions or classes that are kept; none: all.
        ras_to_box: Region of interest, 16 numbers row after row (`RegionOfInterest`).
        region: The same as six bounds in mm, or a mask's file (`region.read_area`).
        flips: Names of axes along which slices are flipped, too (`flips.FLIPS`).
        largest_component: Whether only the largest parts are kept; None: as the bundle says.
        minimum_ml: Smaller parts are removed; None: as the bundle says.
        quality: Whether to say how good the result probably is.
        modality: What the user says the scan is; "": nothing.
        overwrite: Whether outputs that are there may be replaced.
    """

    model: str
    inputs: tuple[Path, ...]
    output: Path
    further_models: tuple[str, ...] = ()
    series: str = ""
    device: str = "auto"
    precision: str = "auto"
    uncertainty: str = ""
    probabilities: str = ""
    maps: str = ""
    structures: tuple[str, ...] = ()
    ras_to_box: tuple[float, ...] | None = None
    region: tuple[str, ...] = ()
    flips: tuple[str, ...] = ()
    largest_component: bool | None = None
    minimum_ml: float | None = None
    quality: bool = False
    modality: str = ""
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class WarmUpArguments:
    """A model to load before it is needed; as for `SegmentArguments`."""

    model: str
    device: str = "auto"
    precision: str = "auto"


@dataclass(frozen=True, kw_only=True)
class NoArguments:
    """Of commands that have none."""


CANCEL, QUIT = "cancel", "quit"

Arguments = SegmentArguments | WarmUpArguments | NoArguments

COMMANDS: Mapping[str, type[Arguments]] = {
    "segment": SegmentArguments,
    "warm_up": WarmUpArguments,
    "devices": NoArguments,
    CANCEL: NoArguments,
    QUIT: NoArguments,
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One line, understood.

    Attributes:
        job: Chosen by who asks, repeated in the events; of `cancel`: the job to cancel.
        command: A key of `COMMANDS`.
        arguments: Of the command's own kind.
    """

    job: str
    command: str
    arguments: Arguments


def read_request(line: bytes) -> Request:
    """Read one line.

    Raises:
        RequestError: It is no request; says what is wrong with it.
    """
    if len(line) > MAX_LINE_BYTES:
        raise RequestError(
            f"A request of more than {MAX_LINE_BYTES} bytes was received.",
            hint="Send one JSON object a line.",
        )
    try:
        content = parse_json(line.decode("utf-8"), "The request")
    except UnicodeDecodeError as error:
        raise RequestError("A request is not UTF-8 text.", hint="Send JSON in UTF-8.") from error
    except ConfigError as error:
        raise RequestError(error.message, hint="Send one JSON object a line.") from error
    job = _job(content)
    try:
        return _request(job, content)
    except ConfigError as error:
        raise RequestError(error.message, hint=error.hint, job=job) from error


def read_lines(descriptor: int) -> Iterator[bytes]:
    """Yield the lines of a file descriptor without their ends, as soon as each is complete.

    Read directly: a buffered stream would wait for more, and be locked when the program ends. A
    line without an end was broken off and is dropped. Of a line that is too long only so much is
    kept that it is seen to be.
    """
    pending = bytearray()
    while received := _received(descriptor):
        *ended, rest = received.split(b"\n")
        for part in ended:
            yield bytes(_extended(pending, part))
            pending.clear()
        _extended(pending, rest)


def _received(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK_BYTES)
    except OSError:  # who wrote is gone
        return b""


def _extended(pending: bytearray, part: bytes) -> bytearray:
    pending += part[: MAX_LINE_BYTES + 1 - len(pending)]
    return pending


def _job(content: Mapping[str, Any]) -> str:
    job = content.get("job")
    if content.get("command") == QUIT:
        return WORKER
    if not isinstance(job, str) or not job or job == WORKER:
        raise RequestError(
            f"A request has the job {job!r}, expected a text other than {WORKER!r}.",
            hint="Give each job a name of its own.",
        )
    return job


def _request(job: str, content: Mapping[str, Any]) -> Request:
    version, command = content.get("v"), content.get("command")
    if version != REQUEST_VERSION:
        raise ConfigError(
            f"The request has version {version!r}, expected {REQUEST_VERSION}.",
            hint="Use worker and program of the same version.",
        )
    unknown = set(content) - {"v", "job", "command", "arguments"}
    if unknown:
        raise ConfigError(f"The request has unknown keys: {', '.join(sorted(unknown))}.")
    if not isinstance(command, str) or command not in COMMANDS:
        raise UnknownNameError("command of the worker", str(command), COMMANDS)
    arguments = content.get("arguments", {})
    return Request(
        job=job, command=command, arguments=from_dict(COMMANDS[command], arguments, command)
    )
