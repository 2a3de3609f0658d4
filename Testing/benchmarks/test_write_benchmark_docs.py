"""What of a benchmark gets into the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from CrossModalSegLib.cli.benchmark_tables import write_tables
from Testing.benchmarks import write_benchmark_docs
from Testing.benchmarks.write_benchmark_docs import BEGIN, END, LARGEST_PIXELS, ROOT
from Testing.unit.made_benchmark import MadeBenchmark


@pytest.fixture
def made(tmp_path: Path) -> MadeBenchmark:
    made = MadeBenchmark(tmp_path / "benchmark")
    made.add("source_only", [0.2, 0.4])
    made.add("supervised", [0.8, 1.0])
    made.add("dsan", [0.6, 0.8])
    write_tables(made.folder, made.suite)
    cases = made.folder.results / "directions" / "cardiac_ct_to_mr" / "cases"
    cases.mkdir(parents=True)
    Image.new("RGBA", (3000, 500), "red").save(cases / "typical_case_1.png")
    return made


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    page = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    (docs / "benchmark.md").write_text(page, encoding="utf-8")
    return docs


def test_the_page_shows_tables_and_pictures_and_keeps_its_text(
    made: MadeBenchmark, docs: Path
) -> None:
    page = docs / "benchmark.md"
    before = page.read_text(encoding="utf-8")
    for _ in range(2):  # the second time over the first
        assert write_benchmark_docs.main([str(made.folder.path), "--docs", str(docs)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[0] == before.partition(BEGIN)[0]
    assert text.partition(END)[2] == before.partition(END)[2]
    generated = text.partition(BEGIN)[2].partition(END)[0]
    assert "| DSAN | 70.0 (67 %" in generated
    assert "not run" in generated
    assert "### Cardiac CT to MR" in generated
    assert "### Cardiac MR to CT" not in generated  # nothing was measured
    links = re.findall(r"\]\((benchmark/[^)]+)\)", generated)
    assert links
    for link in links:
        assert (docs / link).is_file(), link


def test_pictures_are_small(made: MadeBenchmark, docs: Path) -> None:
    write_benchmark_docs.main([str(made.folder.path), "--docs", str(docs)])
    path = docs / "benchmark" / "cardiac_ct_to_mr_typical.jpg"
    with Image.open(path) as picture:
        assert picture.size == (LARGEST_PIXELS[0], 233)
        assert picture.format == "JPEG"


def test_a_page_without_a_place_for_results_is_left_alone(made: MadeBenchmark, docs: Path) -> None:
    (docs / "benchmark.md").write_text("my own page", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no part between"):
        write_benchmark_docs.main([str(made.folder.path), "--docs", str(docs)])
    assert (docs / "benchmark.md").read_text(encoding="utf-8") == "my own page"
