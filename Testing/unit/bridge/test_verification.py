"""Imports that are tried in another process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from CrossModalSegLib.bridge import verification
from CrossModalSegLib.bridge.processes import library_environment
from CrossModalSegLib.bridge.verification import Verification


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment with modules of all kinds."""
    modules = {
        "cms_good": "print('{\"odd\": 1}')\nprint('hello')",
        "cms_bad": "raise OSError('fbgemm.dll')",
        "cms_exit": "raise SystemExit(3)",
        "cms_crash": "import os\nos._exit(7)",
        "cms_slow": "import time\ntime.sleep(60)",
    }
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return library_environment({**os.environ, "PYTHONPATH": str(tmp_path)})


def test_what_cannot_be_imported_is_named_with_the_reason(environment: dict[str, str]) -> None:
    modules = ["cms_bad", "cms_good", "cms_exit", "cms_nothing", "json"]
    breaths: list[float] = []
    tried = Verification(modules, environment=environment)
    failures = tried.wait(lambda: breaths.append(time.monotonic()))
    assert failures.keys() == {"cms_bad", "cms_exit", "cms_nothing"}
    assert failures["cms_bad"] == "OSError: fbgemm.dll"
    assert breaths
    assert tried.poll() == failures


def test_a_module_that_takes_the_process_down_is_found(environment: dict[str, str]) -> None:
    failures = Verification(["cms_good", "cms_crash", "json"], environment=environment).wait()
    assert failures.keys() == {"cms_crash", "json"}
    assert "exit code 7" in failures["cms_crash"]


def test_one_that_never_ends_is_given_up(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "MAX_SECONDS", 0.3)
    tried = Verification(["cms_slow"], environment=environment)
    assert tried.poll() is None
    assert "did not end in time" in tried.wait()["cms_slow"]


def test_it_can_be_ended_without_a_verdict(environment: dict[str, str]) -> None:
    tried = Verification(["cms_slow"], environment=environment)
    began = time.monotonic()
    tried.stop()
    assert time.monotonic() - began < 5
    assert tried.poll() == {}
