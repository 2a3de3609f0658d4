"""Which prediction belongs to which reference: two folders, or a file that lists both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from CrossModalSegLib.core.config import read_json
from CrossModalSegLib.core.errors import ConfigError, InputFileError, suggestion
from CrossModalSegLib.core.paths import case_name, volume_suffix

REFERENCE_STEM = "label"
"""Name of the label map in a folder that holds the files of one case."""

COLUMNS = ("method", "case", "prediction", "reference")
"""Of a manifest; `method` and `case` may be left out."""

MAX_LISTED_CASES = 10
"""Messages name at most this many."""

SIDECAR_SUFFIX = ".json"
"""Of what `segment` writes beside a segmentation."""

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True, kw_only=True)
class CasePair:
    """The files of one case; None where there is none."""

    case: str
    prediction: Path | None
    reference: Path | None


@dataclass(frozen=True)
class Pairing:
    """All cases of an evaluation, by name.

    Attributes:
        cases: Those that can be scored, and those that lack one of their two files.
    """

    cases: tuple[CasePair, ...]

    @property
    def scorable(self) -> tuple[CasePair, ...]:
        """Cases with a reference."""
        return tuple(pair for pair in self.cases if pair.reference is not None)

    @property
    def missing_predictions(self) -> tuple[str, ...]:
        """Cases with a reference alone; the policy for empty masks says what they score."""
        return tuple(pair.case for pair in self.scorable if pair.prediction is None)

    @property
    def missing_references(self) -> tuple[str, ...]:
        """Cases with a prediction alone, of which nothing can be said."""
        return tuple(pair.case for pair in self.cases if pair.reference is None)

    def require_a_pair(self, source: str, hint: str) -> None:
        """Refuse lists without one case that has both files: the names do not fit together.

        Raises:
            InputFileError: See above.
        """
        if not any(pair.prediction is not None for pair in self.scorable):
            predictions, references = self.missing_references, self.missing_predictions
            raise InputFileError(
                f"{source}: no case has both a prediction and a reference; predictions are of "
                f"{listed(predictions)}, references of {listed(references)}.",
                hint=hint,
            )


def pair_folders(predictions: Path, references: Path) -> Pairing:
    """Pair the label maps of two folders by case name.

    Each folder holds one label map a case, either as `<case>.nii.gz` (or another volume format)
    or as `<case>/label.nii.gz`.

    Raises:
        InputFileError: A folder is missing or empty, holds two label maps of one case, or the
            folders have no case in common.
    """
    predicted, expected = find_label_maps(predictions), find_label_maps(references)
    pairing = Pairing(
        tuple(
            CasePair(case=case, prediction=predicted.get(case), reference=expected.get(case))
            for case in sorted({*predicted, *expected})
        )
    )
    pairing.require_a_pair(
        f"{predictions} and {references}",
        "Cases are paired by file name without its ending, or by folder name.",
    )
    return pairing


def find_label_maps(folder: Path, stem: str = REFERENCE_STEM) -> dict[str, Path]:
    """Return the label maps of a folder by case name.

    Args:
        folder: Holds `<case>.nii.gz` (or another volume format) or `<case>/<stem>.nii.gz`.
        stem: "image" finds images instead.

    Raises:
        InputFileError: The folder is missing, holds no label map, or two for one case.
    """
    kind = "label map" if stem == REFERENCE_STEM else stem
    if not folder.is_dir():
        raise InputFileError(f"{folder} is not a folder, expected one with a {kind} per case.")
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        for path in _volumes_of(entry, stem):
            case = entry.name if entry.is_dir() else case_name(path)
            if case in found:
                raise InputFileError(
                    f"Case {case!r} has two {kind}s: {found[case]} and {path}.",
                    hint="Keep one of them in the folder.",
                )
            found[case] = path
    if not found:
        raise InputFileError(
            f"{folder} holds no {kind}.",
            hint=f"Expected <case>.nii.gz (.nii, .nrrd, .seg.nrrd, .mha) or <case>/{stem}.nii.gz.",
        )
    return found


def read_manifest(path: Path) -> dict[str, Pairing]:
    """Read a CSV or TSV file with the columns `method`, `case`, `prediction` and `reference`.

    Paths are relative to the file. An empty cell, or a file that is not there, is a missing
    prediction or reference. Without a column `case`, cases are named after their references.

    Returns:
        The pairs of each method, in the order of the file; without a column `method`, those of "".

    Raises:
        InputFileError: The file cannot be read, its columns are others, a line has no usable name
            or names a case of a method again, or a method has no case with both files.
    """
    methods: dict[str, dict[str, CasePair]] = {}
    for line, row in _read_rows(path):
        pair = _pair_of(row, path.parent, f"{path}, line {line}")
        cases = methods.setdefault(row.get("method", ""), {})
        if pair.case in cases:
            raise InputFileError(
                f"{path}, line {line} names the case {pair.case!r} again.",
                hint="A column named case tells files of the same name apart.",
            )
        cases[pair.case] = pair
    if not methods:
        Pairing(()).require_a_pair(str(path), "Paths are relative to the file.")
    pairings = {
        method: Pairing(tuple(cases[name] for name in sorted(cases)))
        for method, cases in methods.items()
    }
    for method, pairing in pairings.items():
        where = f"{path}, method {method!r}" if method else str(path)
        pairing.require_a_pair(where, "Paths are relative to the file.")
    return pairings


def model_hashes(pairing: Pairing) -> set[str]:
    """Return the content hashes of the models that `segment` noted beside the predictions."""
    hashes = set[str]()
    for pair in pairing.cases:
        if pair.prediction is None:
            continue
        sidecar = pair.prediction.with_name(f"{case_name(pair.prediction)}{SIDECAR_SUFFIX}")
        if not sidecar.is_file():
            continue
        with suppress(ConfigError):  # a file of another program that happens to lie there
            model = read_json(sidecar).get("model")
            if isinstance(model, dict) and isinstance(model.get("content_hash"), str):
                hashes.add(model["content_hash"])
    return hashes


def listed(cases: Sequence[str]) -> str:
    """Return the number of cases and the names of the first ones."""
    if not cases:
        return "no case"
    shown = ", ".join(cases[:MAX_LISTED_CASES])
    more = ", ..." if len(cases) > MAX_LISTED_CASES else ""
    return f"{len(cases)} {'case' if len(cases) == 1 else 'cases'} ({shown}{more})"


def _volumes_of(entry: Path, stem: str) -> list[Path]:
    """Return the entry itself if it is a volume, or the files of that name in a folder."""
    if not entry.is_dir():
        return [entry] if volume_suffix(entry) else []
    return [
        path for path in sorted(entry.iterdir()) if volume_suffix(path) and case_name(path) == stem
    ]


def _pair_of(row: Mapping[str, str], folder: Path, where: str) -> CasePair:
    names = {column: row[column] for column in ("prediction", "reference")}
    for column, name in names.items():
        if name and not volume_suffix(name):
            raise InputFileError(
                f"{where}: {column} {name!r} is no volume, expected .nii.gz, .nii, .nrrd, "
                ".seg.nrrd or .mha."
            )
    found = names["reference"] or names["prediction"]
    case = row.get("case") or (case_name(found) if found else "")
    if not case:
        raise InputFileError(f"{where} names neither a case nor a file.")
    files = {
        column: folder / name if name and (folder / name).is_file() else None
        for column, name in names.items()
    }
    return CasePair(case=case, prediction=files["prediction"], reference=files["reference"])


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and named cells of each line that is not empty."""
    delimiter = _DELIMITERS.get(path.suffix.lower())
    if delimiter is None or not path.is_file():
        raise InputFileError(
            f"{path} is no manifest, expected a .csv or .tsv file with the columns "
            f"{', '.join(COLUMNS)}."
        )
    try:
        text = io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(
            f"{path} cannot be read as a table: {error}.", hint="Save it as CSV UTF-8."
        ) from error
    filled = [(line, cells) for line, cells in lines if any(cells)]
    header = filled[0][1] if filled else []
    _check_header(path, header)
    for line, cells in filled[1:]:
        if len(cells) != len(header):
            raise InputFileError(
                f"{path}, line {line} has {len(cells)} cells, expected {len(header)}."
            )
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in filled[1:]]


def _check_header(path: Path, header: Iterable[str]) -> None:
    columns = list(header)
    for name in columns:
        if name not in COLUMNS:
            raise InputFileError(
                f"{path} has an unknown column {name!r}.", hint=suggestion(name, COLUMNS)
            )
    if not {"prediction", "reference"} <= set(columns) or len(set(columns)) != len(columns):
        raise InputFileError(
            f"{path} has the columns {', '.join(columns) or 'none'}; expected prediction and "
            "reference, and each column once."
        )
