"""Several modalities of each case, joined from what an adapter finds for each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from CrossModalSegLib.data.adapters.case_files import CaseFiles, CaseProblem, Discovery

_HINT = "Download or export it again, and whole; or leave the case out."


def join_modalities(found: Sequence[Discovery], modalities: Sequence[str]) -> Discovery:
    """Return the cases that have every modality; what the others lack is a problem.

    Args:
        found: What one adapter found for each modality, in the order that channels get.
        modalities: Their names.
    """
    by_id = [{case.id: case for case in discovery.cases} for discovery in found]
    problems = list(dict.fromkeys(p for discovery in found for p in discovery.problems))
    told = {problem.case for problem in problems}
    cases = []
    for name in sorted(set().union(*by_id)):
        missing = [m for m, cs in zip(modalities, by_id, strict=True) if name not in cs]
        if missing:
            if name not in told:
                text = f"has no {' and no '.join(missing)}"
                problems.append(CaseProblem(case=name, problem=text, hint=_HINT))
            continue
        images = [cases_of_one[name] for cases_of_one in by_id]
        shared = _shared(images, modalities)
        if shared is None:
            cases.append(_joined(images))
        else:
            problems.append(shared)
    first = found[0]
    ignored = [text for text in first.ignored if all(text in other.ignored for other in found)]
    return replace(
        first,
        layout=f"{first.layout}; {len(cases)} with all of {', '.join(modalities)}",
        cases=tuple(cases),
        problems=tuple(problems),
        ignored=tuple(ignored),
    )


def _joined(images: Sequence[CaseFiles]) -> CaseFiles:
    first, *rest = images
    notes = tuple(dict.fromkeys(note for image in images for note in image.notes))
    return replace(first, notes=notes, further=tuple(replace(image, label=None) for image in rest))


def _shared(images: Sequence[CaseFiles], modalities: Sequence[str]) -> CaseProblem | None:
    """Return what is wrong if one image stands for two modalities."""
    seen: dict[object, str] = {}
    for image, modality in zip(images, modalities, strict=True):
        first = seen.setdefault((image.image, image.reader), modality)
        if first != modality:
            return CaseProblem(
                case=image.id,
                problem=f"has one image, {image.image.name}, for {first} and {modality}",
                hint=f"Each modality needs an image of its own, e.g. image_{first}.nii.gz and "
                f"image_{modality}.nii.gz in a folder of the case.",
            )
    return None
