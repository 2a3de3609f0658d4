"""A quick run of the prediction benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).with_name("predict_speed.py")


@pytest.mark.slow
def test_every_way_is_measured_and_float32_gives_the_same_labels(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--preset", "dsan:quick"]
    command += ["--matrix", "32", "--shape", "9", "30", "28", "--json", result]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = json.loads(result.read_text())["rows"]
    assert [row["way"] for row in rows] == ["ours", "ours, float32", "SliceInferer, float32"]
    assert all(row["warm_seconds"] > 0 and 0 < row["peak_gib"] < 8 for row in rows)
    assert rows[1]["equal_voxels"] > 0.999
    assert rows[2]["times_as_fast"] == 1.0
    assert process.stdout.count("\n") == 5
