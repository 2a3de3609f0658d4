"""Put a benchmark's tables and pictures into the documentation.

.venv/bin/python Testing/benchmarks/write_benchmark_docs.py benchmark-output

Replaces the generated part of docs/benchmark.md and the folder docs/benchmark: tables in all forms,
and a small JPEG of each figure.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from CrossModalSegLib.cli.benchmark_folder import BenchmarkFolder  # noqa: E402
from CrossModalSegLib.cli.benchmark_results import (  # noqa: E402
    Results,
    compare_directions,
    main_rows,
    read_results,
)
from CrossModalSegLib.cli.benchmark_suite import SuiteDirection, load_suite  # noqa: E402
from CrossModalSegLib.cli.benchmark_tables import ablation_grid, overview_grid  # noqa: E402
from CrossModalSegLib.evaluation.grids import grid_markdown  # noqa: E402
from CrossModalSegLib.evaluation.records import write_text  # noqa: E402
from CrossModalSegLib.evaluation.table_formats import to_markdown  # noqa: E402

BEGIN, END = "<!-- benchmark: generated from here -->", "<!-- benchmark: to here -->"

TABLES = ("overview", "summary", "ablations", "runs")

PICTURES = {
    "cases/typical_*.png": "typical",
    "figures/box_dice_*.png": "dice",
    "label_free_scores.png": "label_free_scores",
}
"""Of each direction's folder, and their names in the documentation."""

LARGEST_PIXELS = (1400, 1400)
QUALITY = 82


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the documentation."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("benchmark", type=Path, help="folder that the benchmark wrote")
    parser.add_argument("--suite", default="phantom", help="suite of the benchmark")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    options = parser.parse_args(arguments)
    folder = BenchmarkFolder(options.benchmark)
    results = read_results(folder, load_suite(options.suite))
    place = options.docs / "benchmark"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    copy_tables(folder, place)
    parts = [grid_markdown(overview_grid(results))]
    for direction in results.suite.directions:
        parts += direction_parts(folder, results, direction, place)
    parts += ["### Ablations", grid_markdown(ablation_grid(results)), *further_tables(place)]
    replace_generated(options.docs / "benchmark.md", "\n\n".join(part.strip() for part in parts))
    return 0


def copy_tables(folder: BenchmarkFolder, place: Path) -> None:
    """Copy the tables over all directions, and those in the papers' layouts as Markdown."""
    for name in TABLES:
        for path in sorted(folder.results.glob(f"{name}.*")):
            shutil.copy(path, place / path.name)
    papers = folder.results / "papers"
    for path in sorted(papers.rglob("*.md")):
        target = place / "papers" / path.relative_to(papers)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def direction_parts(
    folder: BenchmarkFolder, results: Results, direction: SuiteDirection, place: Path
) -> Iterator[str]:
    """Yield heading, tables and pictures of a direction; nothing if nothing was measured."""
    comparison = compare_directions(results, [direction], "patients", main_rows(results.suite))
    if comparison is None:
        return
    yield f"### {direction.title}"
    for metric in direction.metrics:
        table = comparison.table(comparison.directions[0], metric)
        yield f"**{table.metric.title}**\n\n{to_markdown(table)}"
    for pattern, name in PICTURES.items():
        for source in sorted((folder.results / "directions" / direction.name).glob(pattern)):
            target = place / f"{direction.name}_{name}.jpg"
            shrink(source, target)
            caption = f"{direction.title}: {name.replace('_', ' ')}"
            yield f"![{caption}]({place.name}/{target.name})"


def shrink(source: Path, target: Path) -> None:
    """Write a picture as a small JPEG."""
    with Image.open(source) as picture:
        small = picture.convert("RGB")
        small.thumbnail(LARGEST_PIXELS, Image.Resampling.LANCZOS)
        small.save(target, quality=QUALITY, optimize=True)


def further_tables(place: Path) -> Iterator[str]:
    """Yield links to the tables that the page does not show."""
    papers = sorted((place / "papers").rglob("*.md"))
    paths = [place / "summary.md", place / "runs.md", *papers]
    links = [
        f"- [{path.relative_to(place).with_suffix('')}]({path.relative_to(place.parent)})"
        for path in paths
        if path.is_file()
    ]
    yield "### Further tables"
    yield "\n".join(links)


def replace_generated(page: Path, text: str) -> None:
    """Replace the generated part of a page.

    Raises:
        SystemExit: The page has no such part.
    """
    content = page.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page} has no part between {BEGIN} and {END}.")
    write_text(page, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
