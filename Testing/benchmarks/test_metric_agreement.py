"""A quick run of the comparison of metrics, with the libraries that are there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).with_name("metric_agreement.py")

MAX_MIB = 1024
TIMES_FASTER = 5


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
def test_metrics_agree_and_a_brats_case_stays_within_a_gibibyte(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result]
    subprocess.run([*command, "--pairs", "60", "--repeats", "1"], check=True, capture_output=True)
    found = json.loads(result.read_text())
    monai = found["agreement"]["monai"]
    assert max(metric["largest"] for metric in monai.values()) < 1e-4
    assert all(row["peak_mib"] < MAX_MIB for row in found["memory"].values())
    if "medpy" not in found["left_out"]:
        assert all(row["times_faster"] >= TIMES_FASTER for row in found["speed"].values())
