"""The catalogue of models and their cards."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from CrossModalSegLib.bridge import model_catalogue
from CrossModalSegLib.bridge.model_card_html import METHOD_TITLES, size_text
from CrossModalSegLib.bridge.model_catalogue import ModelCatalogue
from CrossModalSegLib.bundle.archive import CONFIG_FILE, METADATA_FILE, WEIGHTS_FILE
from CrossModalSegLib.bundle.library import ModelLibrary
from CrossModalSegLib.bundle.metadata import describe_for_monai
from CrossModalSegLib.bundle.packing import pack_files
from CrossModalSegLib.bundle.schema import (
    BundleConfig,
    CohortReference,
    MeasuredScores,
    Modalities,
    TrainingProvenance,
)
from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import (
    BundleError,
    OutputExistsError,
    UnknownNameError,
)
from CrossModalSegLib.core.modalities import MODALITIES
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.data.channels import combine_preprocessing
from CrossModalSegLib.data.preprocessing import default_preprocessing

HEAVY = ("torch", "monai", "pandas", "matplotlib", "nibabel", "tyro", "rich", "jaxtyping", "scipy")


def describe(name: str, task: str = "cardiac", target: str = "mr_bssfp") -> BundleConfig:
    """Describe a model as if it had been trained."""
    shape = default_preprocessing(TASKS[task], MODALITIES[target], matrix=(16, 16))
    return BundleConfig(
        name=name,
        title=f"Title of {name}",
        method="dsan",
        method_settings={"num_classes": TASKS[task].num_classes},
        task=TASKS[task],
        modalities=Modalities(source=MODALITIES["ct"], target=MODALITIES[target]),
        preprocessing=shape,
        references=("Han et al., IEEE TMI 2022, https://arxiv.org/abs/2101.06853",),
    )


def write(config: BundleConfig, output: Path) -> Path:
    """Write a bundle whose weights file is sound and empty; nothing here reads weights."""
    header = b'{"__metadata__":{}}'
    files = {
        CONFIG_FILE: json.dumps(to_dict(config)).encode(),
        METADATA_FILE: json.dumps(to_dict(describe_for_monai(config))).encode(),
        WEIGHTS_FILE: len(header).to_bytes(8, "little") + header,
    }
    pack_files(files, output, config.name)
    return output


@pytest.fixture
def library(tmp_path: Path) -> ModelLibrary:
    """Return a library with a heart model that ships and an abdomen model of the user's."""
    write(describe("heart"), tmp_path / "shipped" / "heart")
    write(describe("belly", "abdomen", "mr_t2spir"), tmp_path / "models" / "belly")
    return ModelLibrary(tmp_path / "models", tmp_path / "shipped")


@pytest.fixture
def catalogue(library: ModelLibrary) -> ModelCatalogue:
    return ModelCatalogue(library)


def html_of(tmp_path: Path, config: BundleConfig) -> str:
    write(config, tmp_path / "one" / config.name)
    (card,) = ModelCatalogue(ModelLibrary(tmp_path / "one", tmp_path / "none")).entries()
    return card.html()


def test_a_card_says_what_the_pages_show(catalogue: ModelCatalogue, tmp_path: Path) -> None:
    belly, heart = catalogue.entries()
    assert (belly.name, belly.title, belly.method) == ("belly", "Title of belly", "DSAN")
    assert belly.task == TASKS["abdomen"]
    assert (belly.source_modality, belly.target_modality) == (
        MODALITIES["ct"],
        MODALITIES["mr_t2spir"],
    )
    assert belly.input_modalities == ("T2-SPIR MR",)
    assert belly.adaptation == "CT → T2-SPIR MR"
    assert belly.structures == ("Liver", "Right kidney", "Left kidney", "Spleen")
    assert belly.path == tmp_path / "models" / "belly"
    assert belly.licence == "Apache-2.0"
    assert "Research use only" in belly.intended_use
    assert (belly.is_shipped, heart.is_shipped) == (False, True)
    assert belly.size_bytes == sum(f.stat().st_size for f in belly.path.rglob("*") if f.is_file())
    assert catalogue.disk_use_bytes == belly.size_bytes
    assert catalogue.folder == tmp_path / "models"


def test_models_are_found_by_modality_and_task(catalogue: ModelCatalogue) -> None:
    def found(**wanted: str) -> list[str]:
        return [card.name for card in catalogue.matching(**wanted)]

    assert found() == ["belly", "heart"]
    assert found(modality="mr_bssfp") == ["heart"]
    assert found(task="abdomen") == ["belly"]
    assert found(modality="mr_bssfp", task="abdomen") == []
    assert found(modality="ct") == []  # labels came from there; it is not for CT


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("", ["belly", "heart"]),
        ("KIDNEY", ["belly"]),
        ("aorta bssfp", ["heart"]),
        ("kidney aorta", []),
        ("dsan", ["belly", "heart"]),
    ],
)
def test_a_search_finds_all_of_its_words_anywhere(
    catalogue: ModelCatalogue, search: str, names: list[str]
) -> None:
    assert [card.name for card in catalogue.entries() if card.mentions(search)] == names


def test_a_broken_bundle_is_listed_with_the_reason_and_never_offered(
    catalogue: ModelCatalogue, tmp_path: Path
) -> None:
    (tmp_path / "models" / "belly" / WEIGHTS_FILE).write_bytes(b"")
    (tmp_path / "models" / "empty").mkdir()
    belly, empty, _heart = catalogue.entries()
    assert not belly.is_usable
    assert "damaged" in belly.problem
    assert "missing" in empty.problem
    assert [card.name for card in catalogue.matching()] == ["heart"]
    texts = (belly.title, belly.task_text, belly.adaptation, belly.method, belly.short_score)
    assert texts == ("belly", "cannot be used", "", "", "-")
    assert "is damaged" in belly.html()
    with pytest.raises(BundleError, match=r"'belly' cannot be used: .*damaged"):
        _ = belly.task


def test_bundles_are_read_again_only_when_a_file_changed(
    catalogue: ModelCatalogue, tmp_path: Path
) -> None:
    first = catalogue.entries()
    assert catalogue.entries() is first
    path = tmp_path / "models" / "belly" / CONFIG_FILE
    before = path.stat()
    text = path.read_text(encoding="utf-8").replace("Title of belly", "Title of jelly")
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size  # the time alone tells
    assert catalogue.entries()[0].title == "Title of jelly"


def test_copies_that_are_being_made_are_not_looked_at(
    catalogue: ModelCatalogue, tmp_path: Path
) -> None:
    first = catalogue.entries()
    write(describe("half"), tmp_path / "models" / ".half.1234.partial")
    assert catalogue.entries() is first


def test_models_come_and_go(catalogue: ModelCatalogue, tmp_path: Path) -> None:
    source = write(describe("brain", "brain_tumour", "t2"), tmp_path / "brain.zip")
    assert catalogue.import_model(source).name == "brain"
    assert [card.name for card in catalogue.entries()] == ["belly", "brain", "heart"]
    with pytest.raises(OutputExistsError):
        catalogue.import_model(source)
    catalogue.export_model("brain", tmp_path / "out.zip")
    assert zipfile.is_zipfile(tmp_path / "out.zip")
    catalogue.delete_model("brain")
    assert [card.name for card in catalogue.entries()] == ["belly", "heart"]
    with pytest.raises(UnknownNameError):
        catalogue.delete_model("brain")
    with pytest.raises(BundleError, match="ships with the program"):
        catalogue.delete_model("heart")


@pytest.mark.parametrize(
    ("name", "taken_by", "free_name"),
    [("brain", "", "brain"), ("belly", "user", "belly-2"), ("heart", "shipped", "heart-2")],
)
def test_an_import_is_planned_before_anything_is_written(
    catalogue: ModelCatalogue, tmp_path: Path, name: str, taken_by: str, free_name: str
) -> None:
    source = write(describe(name), tmp_path / "source")
    plan = catalogue.plan_import(source)
    assert (plan.name, plan.taken_by, plan.free_name) == (name, taken_by, free_name)
    assert len(catalogue.entries()) == 2
    catalogue.import_model(source, name=plan.free_name)
    assert len(catalogue.entries()) == 3


def test_the_free_name_of_a_long_name_is_a_name(tmp_path: Path) -> None:
    catalogue = ModelCatalogue(ModelLibrary(tmp_path / "models", tmp_path / "none"))
    source = write(describe("a" * 74 + "._.abc"), tmp_path / "source")
    catalogue.import_model(source)
    plan = catalogue.plan_import(source)
    assert catalogue.import_model(source, name=plan.free_name).name == "a" * 74 + "-2"


def test_a_dangerous_bundle_is_refused_before_anything_is_written(
    catalogue: ModelCatalogue, tmp_path: Path
) -> None:
    source = write(describe("evil"), tmp_path / "evil.zip")
    with zipfile.ZipFile(source, "a") as packed:
        packed.writestr("../../evil.txt", b"x")
    with pytest.raises(BundleError, match="was refused"):
        catalogue.plan_import(source)
    assert not list(tmp_path.rglob("evil.txt"))


def test_an_absent_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    catalogue = ModelCatalogue(ModelLibrary(tmp_path / "absent", tmp_path / "none"))
    assert catalogue.entries() == ()
    assert catalogue.disk_use_bytes == 0


def test_the_html_card_names_structures_with_colours_use_paper_and_folder(
    catalogue: ModelCatalogue, tmp_path: Path
) -> None:
    html = catalogue.entries()[1].html()
    for structure in TASKS["cardiac"].regions:
        assert structure.label in html
        assert "#{:02x}{:02x}{:02x}".format(*structure.colour) in html
    address = "https://arxiv.org/abs/2101.06853"
    assert f"<a href='{address}'>{address}</a>" in html
    assert html.index("Research use only") < html.index("Myocardium")
    assert str(tmp_path / "shipped" / "heart") in html
    assert "None were measured" in html


def test_scores_are_shown_with_what_they_were_measured_on(tmp_path: Path) -> None:
    means = {"dice": {"MYO": 0.5, "AA": 0.25}, "assd_mm": {"MYO": 3.25}}
    scores = (
        MeasuredScores(domain="source", split="test", num_cases=9, means={"dice": {"MYO": 1.0}}),
        MeasuredScores(domain="target", split="test", num_cases=4, means=means),
    )
    write(dataclasses.replace(describe("scored"), scores=scores), tmp_path / "m" / "scored")
    (card,) = ModelCatalogue(ModelLibrary(tmp_path / "m", tmp_path / "none")).entries()
    assert card.short_score == "37.5 %"
    assert card.scores_text == "Dice 37.5 % over 4 cases of the target's test split"
    html = card.html()
    assert "Means over 4 cases of the target&#x27;s test split" in html
    row = "<td>MYO</td><td align='right'>50.0</td><td align='right'>3.2</td>"
    assert row in html
    assert "<td>AA</td><td align='right'>25.0</td><td align='right'>n/a</td>" in html
    assert "Dice (%)" in html


def test_a_model_without_scores_says_so(catalogue: ModelCatalogue) -> None:
    assert {card.scores_text for card in catalogue.entries()} == {"scores not measured"}


def test_the_training_is_told(tmp_path: Path) -> None:
    cohorts = (
        CohortReference(domain="source", dataset="folder", content_hash="a" * 64, num_cases=20),
        CohortReference(domain="target", dataset="mmwhs", content_hash="b" * 64, num_cases=1),
    )
    training = TrainingProvenance(
        preset="quick", iterations=9, chosen_iteration=7, selection="a rule", cohorts=cohorts
    )
    html = html_of(tmp_path, dataclasses.replace(describe("trained"), training=training))
    assert "20 cases of CT (folder, hash aaaaaaaaaaaa)" in html
    assert "1 case of bSSFP MR (mmwhs, labels unseen, hash bbbbbbbbbbbb)" in html
    assert "iteration 7 of 9" in html
    assert "a rule" in html


def test_a_model_that_was_not_adapted_does_not_claim_to_be(tmp_path: Path) -> None:
    modality = MODALITIES["t2"]
    config = dataclasses.replace(
        describe("plain"), modalities=Modalities(source=modality, target=modality)
    )
    write(config, tmp_path / "m" / "plain")
    (card,) = ModelCatalogue(ModelLibrary(tmp_path / "m", tmp_path / "none")).entries()
    assert card.adaptation == "T2 MR"
    assert "the same modality" in card.html()


def test_a_model_of_several_images_names_them_in_order(tmp_path: Path) -> None:
    names = ("t1", "t1ce", "t2", "flair")
    each = [default_preprocessing(TASKS["cardiac"], MODALITIES[n], matrix=(16, 16)) for n in names]
    images = tuple(MODALITIES[name] for name in names)
    labels = tuple(modality.label for modality in images)
    cohort = CohortReference(
        domain="source", dataset="brats", content_hash="c" * 64, num_cases=2, images=labels
    )
    config = dataclasses.replace(
        describe("four"),
        modalities=Modalities(source=images[0], target=images[0], inputs=images),
        preprocessing=combine_preprocessing(each),
        training=TrainingProvenance(cohorts=(cohort,)),
    )
    write(config, tmp_path / "m" / "four")
    (card,) = ModelCatalogue(ModelLibrary(tmp_path / "m", tmp_path / "none")).entries()
    assert card.input_modalities == labels
    assert card.target_modality == images[0]
    joined = " + ".join(labels)
    assert card.adaptation == joined
    assert f"<b>{joined}</b>" in card.html()
    assert f"2 cases of {joined} (brats" in card.html()


def test_nothing_that_a_bundle_says_becomes_markup(tmp_path: Path) -> None:
    evil = "<img src='file:///etc/x'><script>"
    scores = MeasuredScores(
        domain="target", split="test", num_cases=1, means={"dice": {evil: 0.5}, evil: {evil: 1.0}}
    )
    html = html_of(
        tmp_path,
        dataclasses.replace(
            describe("evil"),
            title=evil,
            description=evil,
            method=evil,
            licence=evil,
            intended_use=evil,
            references=(evil, "javascript:alert(1)", "https://a.b/'onclick='c"),
            scores=(scores,),
            training=TrainingProvenance(preset=evil, selection=evil, iterations=1, created=evil),
        ),
    )
    assert "<img" not in html
    assert "<script" not in html
    assert "href='javascript" not in html
    assert "<a href='https://a.b'>" in html or "<a href='https://a.b/'>" in html


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(2048, "2 kB"), (1_955_236, "1.9 MB"), (3 * 2**30, "3.0 GB")]
)
def test_sizes_read_as_people_write_them(num_bytes: int, text: str) -> None:
    assert size_text(num_bytes) == text


def test_methods_have_the_titles_of_their_code() -> None:
    from CrossModalSegLib.methods import METHODS

    titles = {name: method.title for name, method in METHODS.items()}
    assert {name: METHOD_TITLES.get(name) for name in titles} == titles


def test_reading_the_catalogue_needs_no_third_party_package(
    library: ModelLibrary, tmp_path: Path
) -> None:
    assert library.folder.is_dir()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from CrossModalSegLib.bridge.model_catalogue import ModelCatalogue\n"
        "from CrossModalSegLib.bundle.library import ModelLibrary\n"
        "library = ModelLibrary(Path(sys.argv[1]) / 'models', Path(sys.argv[1]) / 'shipped')\n"
        "cards = ModelCatalogue(library).entries()\n"
        "assert all(card.html() and card.is_usable for card in cards) and len(cards) == 2\n"
        f"found = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    root = Path(model_catalogue.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
