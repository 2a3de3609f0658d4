"""`prepare`: a dataset's volumes become a cohort that training reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from CrossModalSegLib.cli.command import JobCommand, NegativeAnswer, UsageError
from CrossModalSegLib.core.events import Reporter

if TYPE_CHECKING:
    from CrossModalSegLib.core.modalities import Modality
    from CrossModalSegLib.core.tasks import Task
    from CrossModalSegLib.data.adapters import CaseFiles, CaseProblem, Discovery
    from CrossModalSegLib.data.cohort import Cohort
    from CrossModalSegLib.data.cohort_settings import CohortSettings
    from CrossModalSegLib.data.preprocessing import Preprocessing
    from CrossModalSegLib.data.splits import SplitRule


@dataclass(frozen=True, kw_only=True)
class Prepare(JobCommand):
    """Cut the volumes of a dataset into slices and store them as a cohort.

    What is done here travels with the models that are trained on the cohort and is repeated when
    they segment: plane, spacing, matrix and intensities. Cases that cannot be used are left out
    and listed, and the exit code is 1. A run that was stopped is taken up by the same command.
    """

    dataset: str = "auto"
    """Layout of the dataset: brats, mmwhs, sifa_slices, sifa_volumes, mpscl, chaos, btcv, nnunet,
    decathlon, dicom, folder, csv, or "auto" to recognise it by its structure."""
    root: Path
    """The dataset's folder, CSV or dataset.json."""
    modality: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME [NAME ...]")]
    """Of the images: t1, t1ce, t2, flair, ct, mr_bssfp, mr_t2spir, mr_t1dual, or a TOML file.
    Several make the channels of one case, in this order; all are brought to the first one's grid.
    Then a case needs an image of each (image_t1.nii.gz, image_t2.nii.gz in a folder)."""
    task: str
    """What is labelled: brain_tumour, whole_tumour, cardiac, abdomen, or a TOML file."""
    output: Path
    """The cohort's folder."""
    series: Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEXT [TEXT ...]")] = ()
    """Part of a DICOM series' description, or of a contrast's name, to choose one of several; of
    several modalities one for each."""
    labels: Literal["optional", "required", "ignored"] = "optional"
    """"required": every case must have labels. "optional": if any has. "ignored": labels are not
    even opened, so that none of the target's can leak into training."""
    label_values: tuple[str, ...] = ()
    """The dataset's own label values and the task's, like 205=1 420=2 500=3. Default: what is known
    of the dataset."""
    label_names: tuple[str, ...] = ()
    """What the dataset calls a structure, and the task's class or region, like LV=LVC; "Couch=" for
    what is to be left out. Default: names and codes that are those of the task."""
    recipe: str = "robust"
    """Preprocessing: "robust", or as papers did it: sifa, sifa_release, brats, abdomen; "dataset"
    for the one that goes with the dataset. The options below change parts of it."""
    matrix: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="ROWS COLUMNS")] = None
    """Size of a slice, cropped or padded about the centre (robust: 256 256; the cardiac phantom's
    usual protocol: 64 64)."""
    spacing: Annotated[tuple[float, float] | None, tyro.conf.arg(metavar="MM MM")] = None
    """Distance of rows and of columns in mm (cardiac phantom: 3 3). Default: the recipe's, or each
    volume's own."""
    slice_spacing: Annotated[float | None, tyro.conf.arg(metavar="MM")] = None
    """Distance of slices in mm. Default: the recipe's, or each volume's own."""
    slicing: Literal["axial", "coronal", "sagittal"] | None = None
    """Plane of the slices. Default: the task's."""
    interpolation: Literal["linear", "spline"] = "linear"
    """Of images, where slices are resampled."""
    bias_correction: Literal["none", "n4"] = "none"
    """Even out the shading of MR images by N4; takes about a minute a volume."""
    crop: Literal["none", "foreground"] = "none"
    """Centre the slices on the patient instead of on the volume."""
    split: str = "auto"
    """"published": the usual test cases of the dataset. Shares of train, validation and test, or of
    train and test: 70/10/20, 80/20. "auto": published if there are, else the fractions below."""
    validation_fraction: float = 0.1
    """Share of the subjects for validation, where the dataset does not say."""
    test_fraction: float = 0.1
    """Share of the subjects that training never sees, where the dataset does not say."""
    domain: Literal["all", "source", "target", "paired"] | None = None
    """Take only half of the subjects, the source's or the target's: of datasets whose modalities
    are of the same patients. "paired": both domains are to share patients."""
    image_type: Literal["float16", "float32"] = "float16"
    """Number type of the stored slices."""
    workers: int = 0
    """Processes; each holds one volume at a time. Default: as many as are worth it."""
    against: tuple[Path, ...] = ()
    """Cohorts that must not share images or subjects with this one."""
    dry_run: bool = False
    """Read everything, write nothing, and list what was found."""

    def run(self, reporter: Reporter) -> None:
        """Prepare the cohort; it appears whole or not at all.

        Raises:
            UsageError: Options do not fit together.
            NegativeAnswer: Some cases could not be used.
            CrossModalSegError: See `prepare_good_cases`.
        """
        value_map = _read_label_values(self.label_values)
        label_names = _read_label_names(self.label_names)
        series = self._series()
        from CrossModalSegLib.core.modalities import load_modality
        from CrossModalSegLib.core.tasks import load_task
        from CrossModalSegLib.data.adapters import discover
        from CrossModalSegLib.data.cohort_settings import CohortSettings
        from CrossModalSegLib.data.structures import StructureNames

        task = load_task(self.task)
        modality, *further = modalities = [load_modality(name) for name in self.modality]
        names = [entry.name for entry in modalities]
        found = discover(self.dataset, self.root, names, series=series, is_strict=False)
        StructureNames(task, label_names)  # a name that is misspelt is told before the work begins
        domain = self._domain(found)
        settings = CohortSettings(
            task=task,
            modality=modality,
            further_modalities=tuple(further),
            preprocessing=self._preprocessing(found, task, modalities),
            dataset=found.dataset,
            labels=self.labels,
            split=self._split_rule(found),
            value_map=value_map,
            label_names=label_names,
            image_type=self.image_type,
            domain=domain,
        )
        _tell(found, reporter)
        if self.dry_run:
            self._survey(found, settings, reporter)
        else:
            self._prepare(found, settings, reporter)

    def _prepare(self, found: Discovery, settings: CohortSettings, reporter: Reporter) -> None:
        from CrossModalSegLib.data.cohort import Cohort
        from CrossModalSegLib.data.cohort_writer import prepare_good_cases

        others = [Cohort.open(folder) for folder in self.against]
        good = prepare_good_cases(
            _chosen(found, settings),
            settings,
            self.output,
            reporter=reporter,
            overwrite=self.overwrite,
            workers=self.workers,
        )
        _warn_of_shared(good.cohort, others, reporter)
        summary = _summary(good.cohort, settings, found.layout)
        problems = [*found.problems, *good.problems]
        if problems:
            summary["left_out"] = _rows(problems)
        reporter.done([self.output], summary)
        if problems:
            raise NegativeAnswer

    def _survey(self, found: Discovery, settings: CohortSettings, reporter: Reporter) -> None:
        from CrossModalSegLib.core.config import to_dict
        from CrossModalSegLib.data.survey import survey_cases

        rows = survey_cases(_chosen(found, settings), settings, reporter, self.workers)
        table = [{k: v for k, v in to_dict(row).items() if k != "is_good"} for row in rows]
        summary: dict[str, Any] = {"dataset": f"{found.dataset}, {found.layout}", "cases": table}
        if found.problems:
            summary["left_out"] = _rows(found.problems)
        reporter.done([], summary)
        if found.problems or not all(row.is_good for row in rows):
            raise NegativeAnswer

    def _series(self) -> tuple[str, ...]:
        """Return what chooses a series of each modality."""
        if not self.modality:
            raise UsageError("--modality names no modality.", hint="For example: --modality t2")
        if self.series and len(self.series) != len(self.modality):
            raise UsageError(
                f"--series has {len(self.series)} entries for {len(self.modality)} modalities.",
                hint="Give one for each modality, in their order.",
            )
        return self.series or ("",) * len(self.modality)

    def _domain(self, found: Discovery) -> Any:
        if self.domain is None and found.is_co_registered:
            raise UsageError(
                f"In this dataset ({found.layout}) each patient has several modalities; two "
                "domains of the same patients would be paired.",
                hint="Say --domain source or --domain target, which share no patients; or --domain "
                "paired for both, if that is meant; or --domain all for an upper bound.",
            )
        return self.domain or "all"

    def _preprocessing(
        self, found: Discovery, task: Task, modalities: Sequence[Modality]
    ) -> Preprocessing:
        from CrossModalSegLib.data.channels import combine_preprocessing
        from CrossModalSegLib.data.recipes import recipe

        name = (found.recipe or "robust") if self.recipe == "dataset" else self.recipe
        settings = combine_preprocessing([recipe(name, task, entry) for entry in modalities])
        given: dict[str, Any] = {
            "matrix": self.matrix,
            "spacing_mm": self.spacing,
            "slice_spacing_mm": self.slice_spacing,
            "slicing": self.slicing,
        }
        return replace(
            settings,
            interpolation=self.interpolation,
            bias_correction=self.bias_correction,
            crop=self.crop,
            **{key: value for key, value in given.items() if value is not None},
        )

    def _split_rule(self, found: Discovery) -> SplitRule:
        from CrossModalSegLib.data.splits import SplitRule

        validation, test = self.validation_fraction, self.test_fraction
        if self.split not in {"auto", "published"}:
            validation, test = _read_shares(self.split)
        rule = SplitRule(fractions=(1.0 - validation - test, validation, test), seed=self.seed)
        published = found.published_test
        if self.split == "published" and published is None:
            raise UsageError(
                f"No test cases are published for {found.dataset!r}.",
                hint="Give shares, for example --split 70/10/20.",
            )
        subjects = {case.subject for case in found.cases}
        if published is None or self.split not in {"auto", "published"}:
            return rule
        present = [subject for subject in published.subjects if subject in subjects]
        if not present and self.split == "auto":
            return rule
        return rule.published(present, published.source)


def _tell(found: Discovery, reporter: Reporter) -> None:
    """Say what was recognised, what is ignored and what is wrong, before the work begins."""
    if found.ignored:
        what = f"Recognised {found.dataset}: {found.layout}. Ignored: {'; '.join(found.ignored)}."
        reporter.warning("ignored", what)
    for problem in found.problems:
        reporter.warning("left_out", f"{problem.case}: {problem.problem}.", problem.hint)


def _chosen(found: Discovery, settings: CohortSettings) -> Sequence[CaseFiles]:
    from CrossModalSegLib.core.errors import CohortError
    from CrossModalSegLib.data.domains import cases_of_domain

    if not found.cases:
        listed = "; ".join(f"{p.case}: {p.problem}" for p in found.problems[:20])
        raise CohortError(
            f"{found.layout}: nothing can be used ({listed}).",
            hint=found.problems[0].hint if found.problems else "",
        )
    return cases_of_domain(found.cases, settings.domain, settings.split.seed)


def _warn_of_shared(cohort: Cohort, others: Sequence[Cohort], reporter: Reporter) -> None:
    from CrossModalSegLib.data.checks import check_shared_images
    from CrossModalSegLib.data.cohort_record import listed

    for other in others:
        shared = check_shared_images(cohort.cases, other.cases)
        if shared:
            reporter.warning(
                "shared_with_other_domain",
                f"{listed(shared)}: these images or subjects are in {other.folder}, too.",
                "Training refuses domains that share subjects.",
            )


def _rows(problems: Sequence[CaseProblem]) -> list[dict[str, str]]:
    return [{"case": p.case, "problem": p.problem, "what_to_do": p.hint} for p in problems]


def _summary(cohort: Cohort, settings: CohortSettings, layout: str) -> dict[str, Any]:
    depths = [case.shape[0] for case in cohort.cases]
    return {
        "dataset": f"{settings.dataset}, {layout}",
        "cases": {name: len(cohort.in_split(name)) for name in ("train", "validation", "test")},
        "split": cohort.record.split_rule,
        "slices": sum(depths),
        "plane": cohort.preprocessing.slicing,
        "modality": ", ".join(modality.name for modality in cohort.modalities),
        "labelled": cohort.is_labelled,
        "hash": cohort.content_hash,
    }


def _read_shares(text: str) -> tuple[float, float]:
    """Return the shares of validation and test of a text like 70/10/20 or 80/20.

    Raises:
        UsageError: It is no such text.
    """
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError:
        shares = []
    if len(shares) not in {2, 3} or min(shares) < 0 or sum(shares) not in {1.0, 100.0}:
        raise UsageError(
            f"--split is {text!r}, expected auto, published, or shares like 70/10/20 or 80/20."
        )
    total = sum(shares)
    return (shares[1] / total if len(shares) == 3 else 0.0), shares[-1] / total


def _read_label_values(pairs: tuple[str, ...]) -> dict[int, int] | None:
    """Return a map from the dataset's values to the task's, None if nothing was given."""
    values: dict[int, int] = {}
    for pair in pairs:
        own, _, ours = pair.partition("=")
        try:
            values[int(own)] = int(ours)
        except ValueError as error:
            raise UsageError(
                f"--label-values has {pair!r}, expected two whole numbers like 205=1."
            ) from error
    return values or None


def _read_label_names(pairs: tuple[str, ...]) -> dict[str, str]:
    """Return a map from the dataset's names of structures to the task's."""
    names: dict[str, str] = {}
    for pair in pairs:
        name, sign, meant = pair.rpartition("=")
        if not sign or not name.strip():
            raise UsageError(
                f"--label-names has {pair!r}, expected a name and what it means, like LV=LVC."
            )
        names[name.strip()] = meant.strip()
    return names
