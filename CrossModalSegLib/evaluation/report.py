"""One self-contained HTML page: tables, figures, pictures, and how it was all made."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from CrossModalSegLib.core.errors import InputFileError
from CrossModalSegLib.evaluation.grids import Grid
from CrossModalSegLib.evaluation.provenance import Provenance
from CrossModalSegLib.evaluation.records import write_text
from CrossModalSegLib.evaluation.report_style import STYLE
from CrossModalSegLib.evaluation.report_tables import (
    SORT_SCRIPT,
    SORT_SCRIPT_HASH,
    SORT_STYLE,
    grid_html,
    score_table_html,
)
from CrossModalSegLib.evaluation.score_table import ScoreTable

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The page may load nothing, not even from its own folder."""

_SORTABLE_POLICY = f"{_POLICY}; script-src '{SORT_SCRIPT_HASH}'"


_FOOTER = "Made by CrossModalSeg. For research only, not for decisions about patients."


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A PNG or JPEG picture.

    Attributes:
        content: The bytes of the file.
        alternative: What the picture shows, for those who cannot see it.
        caption: Text below it.
        wide: Whether it takes the whole width.
    """

    content: bytes = field(repr=False)
    alternative: str
    caption: str = ""
    wide: bool = False

    def __post_init__(self) -> None:
        """Refuse what browsers would not show or readers could not hear.

        Raises:
            InputFileError: The bytes are neither PNG nor JPEG, or there is no alternative text.
        """
        if self.media_type is None:
            raise InputFileError(
                f"The picture {self.alternative!r} starts with {self.content[:8]!r}, expected PNG "
                "or JPEG."
            )
        if not self.alternative.strip():
            raise InputFileError("A picture has no alternative text, expected what it shows.")

    @property
    def media_type(self) -> str | None:
        """Media type by the file's signature, None if it is neither PNG nor JPEG."""
        kinds = (kind for mark, kind in _SIGNATURES.items() if self.content.startswith(mark))
        return next(kinds, None)


def read_picture(path: Path, alternative: str, caption: str = "", *, wide: bool = False) -> Picture:
    """Read a picture for a report.

    Raises:
        InputFileError: The file is missing, or neither PNG nor JPEG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputFileError(f"The picture {path} could not be read: {error.strerror}.") from error
    return Picture(content=content, alternative=alternative, caption=caption, wide=wide)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One number that a reader should take away."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with text, tables and pictures."""

    title: str
    text: str = ""
    pictures: tuple[Picture, ...] = ()
    grids: tuple[Grid, ...] = ()
    tables: tuple[ScoreTable, ...] = ()
    is_folded: bool = False
    """Whether the tables are shown on demand only."""


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything on the page, top to bottom; all text is plain text.

    Attributes:
        title: Heading of the page.
        summary: What was done, in two or three sentences.
        headlines: The main numbers.
        notes: What a reader must know to judge the numbers, also where they disappoint.
        tables: One table a metric.
        descriptions: What each row of the tables is, by its name.
        sections: Figures and cases.
        provenance: What produced the numbers.
        facts: Further facts for the provenance, e.g. duration.
        commands: Command lines that make everything again.
        is_sortable: Whether a script of the page's own sorts tables by a click on a head.
    """

    title: str
    summary: str
    headlines: tuple[Headline, ...] = ()
    notes: tuple[str, ...] = ()
    tables: tuple[ScoreTable, ...] = ()
    descriptions: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    provenance: Provenance | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    is_sortable: bool = False


def build_report(content: ReportContent, path: Path) -> None:
    """Write the page atomically; an existing file is replaced.

    Raises:
        StorageError: The disk is full or not writable.
    """
    write_text(path, report_html(content))


def report_html(content: ReportContent) -> str:
    """Return the page as HTML that refers to nothing outside itself."""
    body = [
        f"<header>\n<h1>{escape(content.title)}</h1>",
        f'<p class="summary">{escape(content.summary)}</p>\n</header>',
        _headlines(content.headlines),
        _notes(content.notes),
        _tables(content.tables, content.descriptions),
        *(_section(section) for section in content.sections),
        _provenance(content.provenance, content.facts),
        _commands(content.commands),
        f"<footer>{_FOOTER}</footer>",
    ]
    policy = _SORTABLE_POLICY if content.is_sortable else _POLICY
    style = STYLE + SORT_STYLE if content.is_sortable else STYLE
    script = f"<script>{SORT_SCRIPT}</script>\n" if content.is_sortable else ""
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(content.title)}</title>",
            f"<style>{style}</style>\n</head>\n<body>\n<main>",
            *(part for part in body if part),
            f"</main>\n{script}</body>\n</html>\n",
        )
    )


def _headlines(headlines: Sequence[Headline]) -> str:
    if not headlines:
        return ""
    items = [
        f'<dl class="headline"><dt>{escape(item.label)}</dt>'
        f'<dd class="value">{escape(item.value)}</dd>'
        + (f'<dd class="detail">{escape(item.detail)}</dd>' if item.detail else "")
        + "</dl>"
        for item in headlines
    ]
    return "\n".join(['<div class="headlines">', *items, "</div>"])


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = [f"<li>{escape(note)}</li>" for note in notes]
    return "\n".join(
        ['<section class="notes">', "<h2>To bear in mind</h2>", "<ul>", *items, "</ul>\n</section>"]
    )


def _tables(tables: Sequence[ScoreTable], descriptions: Mapping[str, str]) -> str:
    if not tables:
        return ""
    parts = ["<section>\n<h2>Scores</h2>", *(score_table_html(table) for table in tables)]
    if descriptions:
        parts.append(_terms(descriptions, "terms"))
    return "\n".join([*parts, "</section>"])


def _section(section: Section) -> str:
    parts = [f"<section>\n<h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<p>{escape(section.text)}</p>")
    tables = [*map(score_table_html, section.tables), *map(grid_html, section.grids)]
    if tables and section.is_folded:
        tables = ["<details><summary>Show the tables</summary>", *tables, "</details>"]
    parts += tables
    if section.pictures:
        pictures = [_picture(picture) for picture in section.pictures]
        parts.extend(['<div class="pictures">', *pictures, "</div>"])
    return "\n".join([*parts, "</section>"])


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.content).decode("ascii")
    wide = " wide" if picture.wide else ""
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return (
        f'<figure class="card{wide}"><img alt="{escape(picture.alternative)}" '
        f'src="data:{picture.media_type};base64,{data}">{caption}</figure>'
    )


def _provenance(provenance: Provenance | None, facts: Mapping[str, str]) -> str:
    entries = dict(facts)
    if provenance is not None:
        entries |= {
            "Version": provenance.version,
            "Command": provenance.command,
            "Task": provenance.task,
            "Empty masks": provenance.policy,
            "Device": provenance.device,
            "Seeds": _listed(provenance.seeds),
            "Bundles": _listed(provenance.bundle_hashes),
            "Cohorts": _listed(provenance.cohort_hashes),
            "Python": provenance.python,
            "Platform": provenance.platform,
            "Packages": _listed(provenance.packages),
        }
    entries = {name: value for name, value in entries.items() if value}
    if not entries:
        return ""
    return (
        f"<section>\n<h2>Where the numbers come from</h2>\n{_terms(entries, 'terms facts card')}"
        "\n</section>"
    )


def _commands(commands: Sequence[str]) -> str:
    if not commands:
        return ""
    return (
        "<section>\n<h2>How to make it again</h2>\n"
        f'<pre class="card"><code>{escape(chr(10).join(commands))}</code></pre>\n</section>'
    )


def _terms(entries: Mapping[str, str], classes: str) -> str:
    items = [f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in entries.items()]
    return "\n".join([f'<dl class="{classes}">', *items, "</dl>"])


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
