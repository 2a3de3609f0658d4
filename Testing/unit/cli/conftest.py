"""Events as commands send them."""

from __future__ import annotations

from typing import Any

import pytest

from CrossModalSegLib.core.events import Event, Reporter


class Heard:
    """A sink that keeps what it heard."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    @property
    def summary(self) -> dict[str, Any]:
        (done,) = self.of("done")
        summary: dict[str, Any] = done["summary"]
        return summary


@pytest.fixture
def heard() -> Heard:
    """Return a sink that keeps what it heard."""
    return Heard()


@pytest.fixture
def reporter(heard: Heard) -> Reporter:
    """Return a reporter to which `heard` listens."""
    return Reporter(sinks=[heard])
