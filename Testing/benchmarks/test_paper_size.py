"""A quick run of the paper-size benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).with_name("paper_size.py")


@pytest.mark.slow
def test_memory_and_time_of_a_small_preset_are_told(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result, "--device", "cpu"]
    command += ["--presets", "dsan:quick", "--size", "32", "--batch", "2", "--iterations", "3"]
    command += ["--stages", "predict", "adapt", "nothing"]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "dsan:quick, nothing: the process ended with 1" in process.stderr
    predicted, adapted = json.loads(result.read_text())["rows"]
    assert predicted["peak_gib"] > 0.05
    assert adapted["peak_gib"] - adapted["without_imports_gib"] > 0.05
    assert (adapted["stage_iterations"], adapted["batch"], adapted["size"]) == (700, 2, [32, 32])
    assert adapted["stage_hours"] == pytest.approx(adapted["seconds_per_iteration"] * 700 / 3600)
    assert "2 x 32x32" in process.stdout
