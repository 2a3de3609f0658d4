"""A quick run of the latency benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).with_name("worker_latency.py")


def test_every_row_is_measured(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command: list[str | Path] = [sys.executable, BENCHMARK, "--json", result]
    command += ["--rounds", "1", "--threads", "1", "--size", "96", "240", "48"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    content = json.loads(result.read_text())
    rows = {row["variant"]: row for row in content["rows"]}
    assert set(rows) == {"as it comes", "with uncertainty", "a box of a third", "float32"}
    assert all(row["wall"] >= row["best"] > 0 for row in rows.values())
    assert all(name in ran.stdout for name in rows)
