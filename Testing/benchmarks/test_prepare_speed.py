"""A quick run of the benchmark of preparing. Times are for machines at rest: here, only shapes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).with_name("prepare_speed.py")

ALLOWED_GROWTH = 1.3


def test_most_of_the_time_is_computing_and_more_volumes_need_no_more_memory(
    tmp_path: Path,
) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result]
    command += ["--volumes", "8", "--size", "160", "--slices", "40"]
    subprocess.run(command, check=True, capture_output=True)
    found = json.loads(result.read_text())
    assert found["computing_share"] > 0.6  # small volumes; 0.95 for those of the usual size
    grown = found["memory_mib_two_workers"] / found["memory_mib_two_workers_half"]
    assert grown < ALLOWED_GROWTH
