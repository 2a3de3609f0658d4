"""Comparisons from the command line."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from CrossModalSegLib.cli.command import UsageError
from CrossModalSegLib.cli.compare import Compare
from CrossModalSegLib.cli.evaluate import Evaluate
from CrossModalSegLib.core.errors import CohortError, OutputExistsError, UnknownNameError
from CrossModalSegLib.core.events import Event, Reporter, silent_reporter
from CrossModalSegLib.core.volume import Volume
from CrossModalSegLib.data.volume_files import write_volume
from CrossModalSegLib.evaluation.comparison import read_comparison
from CrossModalSegLib.evaluation.provenance import read_provenance

CASES = ("a", "b", "c")
METHODS = ("source_only", "dsan", "supervised")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write images, references, three methods' predictions and their scores."""
    folder = tmp_path_factory.mktemp("compare")
    generator = np.random.default_rng(0)
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    reference = np.zeros((6, 12, 12), np.uint8)
    reference[1:5, 2:10, 2:10] = np.repeat([1, 2, 3, 4], 2)[:, np.newaxis]
    for case in CASES:
        image = reference + generator.normal(0, 0.3, reference.shape)
        write_volume(Volume(image.astype(np.float32), affine), folder / f"images/{case}.nii.gz")
        write_volume(Volume(reference, affine), folder / f"references/{case}/label.nii.gz")
        for method, share in zip(METHODS, (0.6, 0.3, 0.1), strict=True):
            wrong = generator.random(reference.shape) < share
            made = Volume(np.where(wrong, 0, reference).astype(np.uint8), affine)
            write_volume(made, folder / method / f"{case}.nii.gz")
    (folder / "dsan" / "c.nii.gz").unlink()
    for method in METHODS:
        Evaluate(
            task="cardiac",
            predictions=folder / method,
            references=folder / "references",
            output=folder / "scores" / method,
        ).run(silent_reporter())
    return folder


def command(folder: Path, output: Path, **options: Any) -> Compare:
    sources = tuple(str(folder / "scores" / method) for method in METHODS)
    return Compare(**{"scores": sources, "output": output, **options})


def with_cases(folder: Path) -> dict[str, Any]:
    return {
        "task": "cardiac",
        "references": folder / "references",
        "images": folder / "images",
        "predictions": tuple(f"{method}={folder / method}" for method in METHODS),
    }


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Compare once; return the output and the summary."""
    events: list[Event] = []
    output = folder / "comparison"
    wanted = command(folder, output, label=("dsan=Ours",), seed=7, **with_cases(folder))
    wanted.run(Reporter(sinks=[events.append]))
    return output, events[-1]["summary"]


def test_everything_is_written(made: tuple[Path, dict[str, Any]]) -> None:
    output, summary = made
    files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    for expected in (
        *("report.html", "comparison.json", "provenance.json", "tables/scores.csv"),
        *("tables/gap_closed.tex", "papers/bigl_1.md", "papers/glua_1.json", "papers/dsan_2.csv"),
        *("statistics/tests_dice.csv", "statistics/intervals_hd95_mm.tex"),
        *("figures/box_dice.png", "figures/violin_dice.pdf"),
    ):
        assert expected in files
    pictures = [name for name in files if name.startswith("cases/") and name.endswith(".png")]
    assert {Path(name).name.partition("_")[0] for name in pictures} == {"typical", "best", "worst"}
    assert summary["gap_closed"]["all"].keys() == set(METHODS)


def test_the_report_is_one_page_that_loads_nothing_and_runs_only_its_own_script(
    made: tuple[Path, dict[str, Any]],
) -> None:
    html = (made[0] / "report.html").read_text()
    bare = re.sub(r"data:image/[^\"]*", "", html)
    assert not re.search(r"https?://|<link|src=\"(?!\")\w|url\(", bare)
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;" in html or f"'sha256-{digest}'" in html
    assert html.count('class="sortable"') > 5
    for expected in ("Worst case: c", "Ours has no prediction for: c", "Holm"):
        assert expected in html


def test_the_tables_are_those_of_the_library(
    folder: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    comparison = read_comparison([str(folder / "scores" / method) for method in METHODS])
    table = comparison.table(comparison.directions[0], "dice")
    with (made[0] / "tables/scores.csv").open() as stream:
        lines = [line for line in csv.DictReader(stream) if line["metric"] == "dice"]
    by_command = {(line["method"], line["region"]): line["mean"] for line in lines}
    for row in table.rows:
        for region, cell in row.cells.items():
            assert float(by_command[row.method, region]) == cell.mean
    values = json.loads((made[0] / "comparison.json").read_text())
    assert values["tables"][0]["rows"][1]["missing_predictions"] == 1
    assert "Cases without a prediction" in values["tables"][0]["caption"]


def test_results_carry_what_produced_them(made: tuple[Path, dict[str, Any]]) -> None:
    provenance = read_provenance(made[0] / "provenance.json")
    assert provenance.seeds == {"bootstrap": 7}
    assert provenance.policy == "brats"
    assert provenance.missing_predictions == {"dsan": ("c",)}
    assert [len(digest) for digest in provenance.score_hashes.values()] == [64] * 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"against": "dsam"}, UnknownNameError, "dsan"),
        ({"label": ("dsan",)}, UsageError, "METHOD=VALUE"),
        ({"predictions": ("dsan=x",)}, UsageError, "--references"),
    ],
)
def test_misuse_is_told(
    folder: Path, tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        command(folder, tmp_path / "out", **options).run(silent_reporter())
    assert not (tmp_path / "out").exists()


def test_predictions_of_a_method_without_scores_are_refused(folder: Path, tmp_path: Path) -> None:
    options = with_cases(folder) | {"predictions": (f"bigl={folder / 'dsan'}",)}
    with pytest.raises(CohortError, match="bigl"):
        command(folder, tmp_path / "out", **options).run(silent_reporter())


def test_an_existing_output_is_not_replaced_unasked(
    folder: Path, made: tuple[Path, dict[str, Any]]
) -> None:
    with pytest.raises(OutputExistsError):
        command(folder, made[0]).run(silent_reporter())
