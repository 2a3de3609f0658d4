"""The presets that ship: which one a name means, what papers print, where numbers are from."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources
from typing import Any

import pytest

from CrossModalSegLib.core.config import to_dict
from CrossModalSegLib.core.errors import ConfigError, UnknownNameError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.methods import METHODS
from CrossModalSegLib.training.preset_files import (
    list_presets,
    preset_content,
    resolve_preset,
    task_of_preset,
)
from CrossModalSegLib.training.settings import load_preset

EVERY = [(method, preset) for method in METHODS for preset in list_presets(method)]
PAPERS = [(method, preset) for method, preset in EVERY if preset.startswith("paper")]

SOURCE = re.compile(
    r"Sec\.|Table|Eq\.|Eqs\.|Fig\.|appendix|their code|not given|none given|\bours\b|baselines?\b"
    r"|conference|DAST"
)
"""What a comment says of a number: the place in a paper, or that there is none."""

DSAN: dict[str, Any] = {
    "method.lambda_rec": 1.0,
    "method.lambda_adv": 0.01,
    "method.lambda_gen": 1.0,
    "method.lambda_seg": 1.0,
    "method.lambda_secadv": 0.1,
    "method.lr_segment": 2e-4,
    "method.lr_decoders": 1e-3,
    "method.lr_image_critics": 1e-4,
    "method.lr_semantic_critics": 5e-5,
    "method.backbone.name": "deeplab_resnet50",
    "method.backbone.pretrained": "",
    "method.target_generation": True,
    "method.translated_segmentation": True,
    "method.source_generation": True,
    "method.source_segmentation": True,
    "method.semantic_adversarial": True,
    "method.shared_decoders": False,
    "method.shared_encoder": True,
    "method.shared_critics": True,
    "training.batch_size": 8,
}
BIGL: dict[str, Any] = {
    "method.lambda_out": 0.001,
    "method.lambda_gtl": 0.1,
    "method.lambda_syn": 0.01,
    "method.lr_segment": 5e-3,
    "method.decay_power": 0.75,
    "method.lr_critics": 5e-5,
    "method.output_consistency": True,
    "method.feature_consistency": True,
    "method.attention_consistency": True,
    "method.joint": False,
}
GLUA: dict[str, Any] = {
    "method.translation_iterations": 50_000,
    "method.lambda_rec_im": 20.0,
    "method.lambda_cyc": 20.0,
    "method.lambda_rec_c": 1.0,
    "method.lambda_adv": 1.0,
    "method.lambda_d1": 0.01,
    "method.lambda_d2": 0.01,
    "method.lr_translate": 2e-4,
    "method.weight_decay_translate": 1e-4,
    "method.optimizer": "sgd",
    "method.momentum": 0.9,
    "method.weight_decay_segment": 5e-4,
    "method.betas_critics": [0.9, 0.99],
    "method.decay_power": 0.9,
    "method.backbone.name": "deeplab_resnet50",
    "training.batch_size": 8,
}
PRINTED = {
    ("dsan", "paper_cardiac"): {**DSAN, "method.iterations": 20_000},
    ("dsan", "paper_whole_tumour"): {**DSAN, "method.iterations": 60_000},
    ("bigl", "paper_brain_tumour"): BIGL,
    ("bigl", "paper_cardiac"): BIGL,
    ("glua", "paper_cardiac"): GLUA,
    ("glua", "paper_abdomen"): GLUA,
}
"""Every number that a paper prints, typed from it once more."""


@pytest.mark.parametrize(("method", "preset"), EVERY)
def test_every_preset_loads_for_a_task_it_is_for(method: str, preset: str) -> None:
    name = task_of_preset(preset)
    for task in [TASKS[name]] if name else TASKS.values():
        loaded = load_preset(method, preset, task)
        assert loaded.method.num_classes == task.num_classes


def test_every_paper_has_a_preset_for_each_of_its_data_sets() -> None:
    assert {
        (method, preset) for method, preset in PAPERS if method in ("bigl", "dsan", "glua")
    } == {*PRINTED}
    bounds = {"paper_cardiac", "paper_whole_tumour", "paper_brain_tumour", "paper_abdomen"}
    for method in ("source_only", "source_only_augmented", "supervised"):
        assert {preset for name, preset in PAPERS if name == method} == bounds


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_all_sizes(method: str) -> None:
    assert {"quick", "small", "medium"} <= set(list_presets(method))


@pytest.mark.parametrize(("method", "preset"), PRINTED)
def test_a_paper_preset_has_the_printed_numbers(method: str, preset: str) -> None:
    task = TASKS[task_of_preset(preset) or ""]
    values = dict(leaves(to_dict(load_preset(method, preset, task))))
    printed = PRINTED[method, preset]
    assert {name: values[name] for name in printed} == printed


@pytest.mark.parametrize(("method", "preset"), PAPERS)
def test_every_number_of_a_paper_preset_names_its_source(method: str, preset: str) -> None:
    """On its line, or once for all at the head of its table."""
    file = resources.files("CrossModalSegLib") / "presets" / method / f"{preset}.toml"
    head = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        code, _, comment = line.partition("#")
        if code.startswith("["):
            head = comment
        elif code.strip():
            assert SOURCE.search(comment or head), f"{line!r} names no source"


@pytest.mark.parametrize(
    ("method", "preset"), [entry for entry in PAPERS if entry[0] not in ("bigl", "glua")]
)
def test_a_paper_preset_says_for_which_slices_it_is(method: str, preset: str) -> None:
    matrix = load_preset(method, preset, TASKS[task_of_preset(preset) or ""]).data.matrix
    assert matrix is not None
    sizes = {"cardiac": 256, "whole_tumour": 240, "brain_tumour": 240, "abdomen": 512}
    assert matrix == (sizes[task_of_preset(preset) or ""],) * 2


@pytest.mark.parametrize(("bound", "bounded"), [("cardiac", "dsan"), ("whole_tumour", "dsan")])
@pytest.mark.parametrize("method", ["source_only", "supervised"])
def test_bounds_are_trained_as_their_method(method: str, bound: str, bounded: str) -> None:
    ours = load_preset(method, "paper", TASKS[bound])
    theirs = load_preset(bounded, "paper", TASKS[bound])
    assert ours.training == theirs.training
    assert ours.data == theirs.data
    assert ours.method.iterations == theirs.method.iterations
    values, expected = to_dict(ours.method), to_dict(theirs.method)
    assert values["backbone"] == expected["backbone"]
    assert values["learning_rate"] == expected["lr_segment"]
    assert values["class_weights"] == expected["class_weights"]


def test_bounds_of_the_others_are_trained_as_their_methods() -> None:
    for method in ("source_only", "supervised"):
        for task, bounded in (("brain_tumour", "bigl"), ("abdomen", "glua")):
            ours = load_preset(method, "paper", TASKS[task])
            theirs = load_preset(bounded, "paper", TASKS[task])
            assert ours.method.iterations == theirs.method.iterations
            values, expected = to_dict(ours.method), to_dict(theirs.method)
            for name in ("optimizer", "momentum", "decay_power", "backbone"):
                assert values[name] == expected[name], name
            assert values["learning_rate"] == expected["lr_segment"]
            assert ours.training.batch_size == theirs.training.batch_size
            assert ours.training.spatial == theirs.training.spatial
            assert ours.training.balance == theirs.training.balance


def test_a_name_means_the_preset_of_the_task() -> None:
    assert resolve_preset("dsan", "paper", TASKS["cardiac"]) == "paper_cardiac"
    assert resolve_preset("dsan", "paper", TASKS["whole_tumour"]) == "paper_whole_tumour"
    assert resolve_preset("dsan", "paper_cardiac", TASKS["abdomen"]) == "paper_cardiac"
    assert resolve_preset("dsan", "quick", TASKS["abdomen"]) == "quick"
    assert resolve_preset("dsan", "mine.toml", TASKS["cardiac"]) == "mine.toml"
    assert load_preset("dsan", "paper", TASKS["whole_tumour"]).method.iterations == 60_000


def test_a_task_without_a_paper_preset_hears_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"paper_cardiac, paper_whole_tumour") as caught:
        load_preset("dsan", "paper", TASKS["abdomen"])
    assert "no preset 'paper' for the task 'abdomen'" in caught.value.message
    custom = replace(TASKS["cardiac"], name="mine")
    with pytest.raises(ConfigError, match="for the task 'mine'"):
        resolve_preset("dsan", "paper", custom)


def test_a_name_that_no_preset_has_comes_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'small'"):
        resolve_preset("dsan", "smal", TASKS["cardiac"])
    with pytest.raises(UnknownNameError, match="Choose one of"):
        preset_content("dsan", "paper")
    assert list_presets("nothing") == []


def test_presets_of_other_tasks_can_be_left_out() -> None:
    cardiac = list_presets("dsan", TASKS["cardiac"])
    assert "paper_cardiac" in cardiac
    assert "quick" in cardiac
    assert "paper_whole_tumour" not in cardiac


@pytest.mark.parametrize("size", ["quick", "small"])
def test_methods_and_their_augmented_bound_share_the_augmentation(size: str) -> None:
    """Otherwise the row would not tell what augmentation alone does."""
    cardiac = TASKS["cardiac"]
    bound = to_dict(load_preset("source_only_augmented", size, cardiac).method)["appearance"]
    for method in ("bigl", "dsan", "glua"):
        assert to_dict(load_preset(method, size, cardiac).method)["appearance"] == bound
    plain = to_dict(load_preset("source_only", size, cardiac).method)["appearance"]
    assert not any(value for name, value in plain.items() if name != "remap_knots")


def leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        inner = leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else None
        found += inner if inner is not None else [(f"{prefix}{key}", value)]
    return found
