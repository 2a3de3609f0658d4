"""A quick run of the memory benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).with_name("cohort_memory.py")

ALLOWED_GROWTH_MIB = 3.0


def test_a_larger_cohort_needs_no_more_memory(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result]
    command += ["--volumes", "3", "60", "--size", "48", "--batches", "60"]
    subprocess.run(command, check=True, capture_output=True)
    small, large = json.loads(result.read_text())["rows"]
    assert large["stored_mib"] > 19 * small["stored_mib"]
    assert large["stored_mib"] > 10 * ALLOWED_GROWTH_MIB
    assert large["growth_mib"] - small["growth_mib"] < ALLOWED_GROWTH_MIB
