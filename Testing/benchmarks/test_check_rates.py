"""A quick run of the benchmark of the checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).with_name("check_rates.py")


def test_right_images_raise_no_alarm_and_flipped_labels_do(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result]
    command += ["--subjects", "2", "--phantoms", "cardiac"]
    subprocess.run(command, check=True, capture_output=True)
    rates = json.loads(result.read_text())["rates"]
    assert sorted(rates) == ["ct", "mr_bssfp"]
    for row in rates.values():
        assert row["images"] == 4
        assert row["false alarms"] == 0
        assert row["left-right"] >= 3
        assert row["shuffled"] == 4
