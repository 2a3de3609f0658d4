"""Cases listed in a CSV or TSV file.

Columns: `image`, `label`, `subject`, `case`, `split`; for cases with several modalities a column
`image_<modality>` for each in place of `image`. Paths are relative to the file. An empty cell is a
value that is not given: the case is then named after its first image, the subject after its case.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from CrossModalSegLib.core.errors import CohortError, suggestion
from CrossModalSegLib.core.paths import case_name, volume_suffix
from CrossModalSegLib.data.adapters.case_files import (
    IMAGE_SUFFIXES,
    LABEL_SUFFIXES,
    CaseFiles,
    CaseProblem,
    Discovery,
    require_no_problems,
    settle_problems,
    sorted_cases,
)
from CrossModalSegLib.data.split_names import SPLITS, Split

COLUMNS = ("image", "label", "subject", "case", "split")

EXPECTED = (
    f"a .csv or .tsv file with the columns {', '.join(COLUMNS)} (only image is required, or "
    "image_<modality> for each modality; paths relative to the file)"
)

_IMAGE_OF = "image_"
"""Columns of the images of one modality begin so."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def find_manifest(
    root: Path, modality: str, left_out: list[CaseProblem] | None = None
) -> Discovery | None:
    """Find the cases that a CSV or TSV file lists.

    Args:
        root: The file.
        modality: Chooses the column `image_<modality>`, if there is one; else it is `image`.
        left_out: Gets what is wrong with single lines, which is an error otherwise.

    Returns:
        What was found, or None if `root` is no such file.

    Raises:
        CohortError: A column or value is unknown, a file is missing (with its line), or two lines
            name one case.
    """
    delimiter = _DELIMITERS.get(root.suffix.lower())
    if delimiter is None or not root.is_file():
        return None
    cases: list[CaseFiles] = []
    problems: list[CaseProblem] = []
    for line, row in _read_rows(root, delimiter):
        image = _image_column(root, row, modality)
        found = _problems_of(row, root.parent, image)
        problems += [
            CaseProblem(case=f"line {line}", problem=f"line {line}: {text}") for text in found
        ]
        if not found:
            cases.append(_case(row, root.parent, image))
    counts = Counter(case.id for case in cases)
    double = {case: n for case, n in counts.items() if n > 1}
    problems += [
        CaseProblem(case=case, problem=f"{n} lines name case {case!r}")
        for case, n in double.items()
    ]
    cases = [case for case in cases if case.id not in double]
    settle_problems(
        problems,
        root,
        "Correct these lines; paths are relative to the file, and a column named case tells "
        "images of the same file name apart.",
        left_out,
    )
    return Discovery(
        dataset="csv",
        layout=f"a list of {len(cases)} cases",
        cases=sorted_cases(cases),
        problems=tuple(left_out or ()),
    )


def _read_rows(path: Path, delimiter: str) -> list[tuple[int, dict[str, str]]]:
    """Return line number and named cells of each row that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CohortError(
            f"{path} is not UTF-8 text.", hint="Save it as CSV UTF-8 from the spreadsheet program."
        ) from error
    lines_of_text = io.StringIO(text, newline="")
    reader = csv.reader(lines_of_text, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise CohortError(f"{path}, line {reader.line_num}: {error}.") from error
    filled = [(line, cells) for line, cells in lines if any(cells)]
    if not filled:
        raise CohortError(f"{path} is empty.", hint=f"Expected {EXPECTED}.")
    header = filled[0][1]
    _check_header(path, header)
    require_no_problems(
        [
            f"line {line} has {len(cells)} cells, expected {len(header)}"
            for line, cells in filled[1:]
            if len(cells) != len(header)
        ],
        path,
        'Put cells that contain the separator in "quotes".',
    )
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in filled[1:]]


def _check_header(path: Path, header: list[str]) -> None:
    for name in header:
        if name not in COLUMNS and not name.startswith(_IMAGE_OF):
            raise CohortError(
                f"{path} has an unknown column {name!r}.", hint=suggestion(name, COLUMNS)
            )
    if not _image_columns(header) or len(set(header)) != len(header):
        raise CohortError(
            f"{path} has the columns {', '.join(header)}; expected image, and each column once.",
            hint=f"The first line names the columns: {', '.join(COLUMNS)}.",
        )


def _image_columns(header: Iterable[str]) -> list[str]:
    return [name for name in header if name == "image" or name.startswith(_IMAGE_OF)]


def _image_column(path: Path, row: Mapping[str, str], modality: str) -> str:
    """Return the column of a modality's images.

    Raises:
        CohortError: There are columns of other modalities alone.
    """
    named = _IMAGE_OF + modality
    column = named if named in row else "image"
    if column not in row:
        raise CohortError(
            f"{path} has no column {named!r} and none named 'image'.",
            hint=f"Its images are in the columns {', '.join(_image_columns(row))}.",
        )
    return column


def _problems_of(row: Mapping[str, str], folder: Path, image: str) -> list[str]:
    problems = []
    if not row[image]:
        problems.append("no image is given" if image == "image" else f"no {image} is given")
    for column, suffixes in ((image, IMAGE_SUFFIXES), ("label", LABEL_SUFFIXES)):
        name = row.get(column)
        if name and not (folder / name).is_file():
            problems.append(f"{column} {name!r} does not exist")
        elif name and volume_suffix(name) not in suffixes:
            problems.append(f"{column} {name!r} is none of {', '.join(suffixes)}")
    split = row.get("split")
    if split and split not in SPLITS:
        problems.append(f"split {split!r} is unknown. {suggestion(split, SPLITS)}")
    return problems


def _case(row: Mapping[str, str], folder: Path, image_column: str) -> CaseFiles:
    image, label = folder / row[image_column], row.get("label")
    first = next(row[column] for column in _image_columns(row) if row[column])
    name = row.get("case") or case_name(folder / first)
    return CaseFiles(
        id=name,
        subject=row.get("subject") or name,
        image=image,
        label=folder / label if label else None,
        split=cast("Split | None", row.get("split") or None),
    )
