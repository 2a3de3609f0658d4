"""The report: self-contained, complete, escaped, valid."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.report import (
    Headline,
    Picture,
    ReportContent,
    Section,
    build_report,
    read_picture,
    report_html,
)
from CrossModalSegLib.evaluation.tables import METRICS, Cell, Row, ScoreTable

VOID = {"meta", "img", "br", "link"}


def png(colour: tuple[int, int, int] = (10, 20, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (7, 5), colour).save(stream, format="PNG")
    return stream.getvalue()


def content() -> ReportContent:
    def row(method: str, mean: float, gap: float | None) -> Row:
        cell = Cell(mean=mean, deviation=1.0, count=2, undefined=0)
        return Row(
            method=method,
            label=f"label of {method}",
            cells={"MYO": cell},
            average=mean,
            gap_closed=gap,
            empties={},
        )

    absent = Row(method="bigl", label="BiGL", cells={}, average=None, gap_closed=None, empties={})
    table = ScoreTable(
        metric=METRICS["dice"],
        regions=("MYO",),
        rows=(row("source_only", 20.0, 0.0), row("dsan", 61.5, 0.59), absent),
        patients=2,
        policy="brats",
    )
    return ReportContent(
        title="CT <to> MR & back",
        summary="What was done.",
        headlines=(Headline(label="Gap closed", value="59 %", detail="by DSAN"),),
        notes=("DSAN lies below source_only_augmented <b>.",),
        tables=(table,),
        descriptions={"label of dsan": "a method"},
        sections=(
            Section(
                title="Cases",
                text="Unseen.",
                pictures=(
                    Picture(content=png(), alternative='A "slice"', caption="Case <7>"),
                    Picture(content=png((200, 0, 0)), alternative="Surface", wide=True),
                ),
            ),
        ),
        provenance=Provenance(
            version="9.8.7",
            command='crossmodalseg demo --output "a b"',
            task="cardiac",
            policy="brats",
            seeds={"training": 1234},
            bundle_hashes={"dsan": "feedbeef"},
        ),
        facts={"Duration": "9 min"},
        commands=("python3 bootstrap.py demo --seed 1 && echo done",),
    )


class Checker(HTMLParser):
    """Check that tags nest, and collect texts and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parse(html: str) -> Checker:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def test_tags_nest_and_headings_are_in_order() -> None:
    checker = parse(report_html(content()))
    levels = [int(tag[1]) for tag, _ in checker.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = report_html(content())
    assert not re.search(r"https?:|file:|//|@import|url\(", re.sub(r"base64,[^\"]*", "", html))
    names = {name for _, attributes in parse(html).tags for name in attributes}
    assert not names & {"href", "srcset", "onload", "onclick"}
    sources = [a["src"] or "" for _, a in parse(html).tags if "src" in a]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "script" not in {tag for tag, _ in parse(html).tags}


def test_pictures_decode_to_what_was_given_and_have_alternative_texts() -> None:
    images = [attributes for tag, attributes in parse(report_html(content())).tags if tag == "img"]
    decoded = [base64.b64decode((image["src"] or "").partition(",")[2]) for image in images]
    assert decoded == [png(), png((200, 0, 0))]
    assert [image["alt"] for image in images] == ['A "slice"', "Surface"]


def test_everything_that_was_passed_is_on_the_page_as_text() -> None:
    texts = " ".join(parse(report_html(content())).texts)
    for expected in (
        "CT <to> MR & back",
        "What was done.",
        "59 %",
        "by DSAN",
        "DSAN lies below source_only_augmented <b>.",
        "label of dsan",
        "61.5",
        "not run",
        "population standard deviation across patients (n = 2)",
        "Case <7>",
        "9.8.7",
        'crossmodalseg demo --output "a b"',
        "training 1234",
        "dsan feedbeef",
        "9 min",
        "python3 bootstrap.py demo --seed 1 && echo done",
    ):
        assert expected in texts


def test_bare_content_gives_a_page_without_empty_sections() -> None:
    checker = parse(report_html(ReportContent(title="Bare", summary="Nothing.")))
    assert "section" not in {tag for tag, _ in checker.tags}


def test_the_same_content_gives_the_same_page(tmp_path: Path) -> None:
    build_report(content(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report_html(content())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_only_pictures_with_words_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    assert read_picture(tmp_path / "a.png", "A slice").content == png()
    with pytest.raises(InputFileError, match="alternative"):
        Picture(content=png(), alternative=" ")
    with pytest.raises(InputFileError, match="PNG"):
        Picture(content=b"<svg onload=alert(1)>", alternative="An SVG")
    with pytest.raises(InputFileError, match="absent"):
        read_picture(tmp_path / "absent.png", "Nothing")
