"""BiGL: what its settings switch, who judges what, who moves when, and what ships."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.data.augmentation import AppearanceAugmentation
from CrossModalSegLib.methods.base import Stage
from CrossModalSegLib.methods.bigl import BiGL
from CrossModalSegLib.methods.bigl_config import BiGLConfig
from CrossModalSegLib.methods.cycle_translation import CycleTranslationConfig
from CrossModalSegLib.networks.backbones import Backbone
from CrossModalSegLib.networks.dual_attention import Segmented
from CrossModalSegLib.networks.translators import Translator
from CrossModalSegLib.training.settings import load_preset

TINY = BiGLConfig(
    num_classes=3,
    iterations=4,
    translation_iterations=2,
    backbone=Backbone(name="unet", width=4, levels=3),
    translation=CycleTranslationConfig(
        translator=Translator(name="unet", width=4, levels=3), critic_width=4
    ),
    critic_width=4,
)

PAIRS = [f"{kind}_{style}" for kind in ("feature", "position", "channel") for style in "st"]
SEGMENTATION = {"seg_s", "seg_st"}
SYNTHESIS = {"adv_s", "adv_t", "cyc_s", "cyc_t", "critic_s", "critic_t"}
FEATURES = {"feature_s", "feature_t", "critic_feature_s", "critic_feature_t"}
ATTENTION = {
    *("position_s", "position_t", "critic_position_s", "critic_position_t"),
    *("channel_s", "channel_t", "critic_channel_s", "critic_channel_t"),
}


def built(**changes: Any) -> BiGL:
    torch.manual_seed(0)
    return BiGL(replace(TINY, **changes))


# Stages


def test_translation_comes_first_then_adaptation() -> None:
    stages = {stage.name: stage for stage in built().stages()}
    assert {name: stage.iterations for name, stage in stages.items()} == {
        "translate": 2,
        "adapt": 4,
    }
    assert list(stages["translate"].optimizers) == ["generators", "image_critics"]
    assert list(stages["adapt"].optimizers) == ["adapt", "alignment_critics"]


def test_joint_training_is_one_stage() -> None:
    (stage,) = built(joint=True, optimizer="adamw").stages()
    assert stage.name == "adapt"
    assert list(stage.optimizers) == ["adapt", "image_critics", "alignment_critics"]


def test_a_warm_up_is_part_of_the_iterations(batch: UnpairedBatch, record: Any) -> None:
    method = built(warm_up_iterations=1)
    translate, warm_up, adapt = method.stages()
    assert (translate.iterations, warm_up.iterations, adapt.iterations) == (2, 1, 3)
    update = record(method, warm_up)
    assert set(warm_up.step(batch, update)) == SEGMENTATION
    assert update.moved == {"adapt": {"segmenter"}}
    assert warm_up.optimizers["adapt"] is adapt.optimizers["adapt"]
    assert len(built(warm_up_iterations=9).stages()) == 2  # a warm-up of all iterations


def test_the_segmenters_rate_falls_by_the_papers_power_and_the_critics_does_not() -> None:
    *_, stage = built().stages()
    rates: dict[str, list[float]] = {name: [] for name in stage.optimizers}
    for _ in range(4):
        for name, optimizer in stage.optimizers.items():
            rates[name].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
        for schedule in stage.schedules.values():
            schedule.step()
    assert rates["adapt"] == pytest.approx([5e-3 * (1 - n / 4) ** 0.75 for n in range(4)])
    assert rates["alignment_critics"] == [5e-5] * 4


# Switches


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, SEGMENTATION | {"output"} | FEATURES | ATTENTION),
        ({"attention_consistency": False}, SEGMENTATION | {"output"} | FEATURES),
        (
            {"attention_consistency": False, "feature_consistency": False},
            SEGMENTATION | {"output"},
        ),
        ({"feature_consistency": False}, SEGMENTATION | {"output"} | ATTENTION),
        ({"output_consistency": False}, SEGMENTATION | FEATURES | ATTENTION),
        (
            {
                "attention_consistency": False,
                "feature_consistency": False,
                "output_consistency": False,
            },
            SEGMENTATION,
        ),
        (
            {"joint": True, "optimizer": "adamw", "attention_consistency": False},
            SEGMENTATION | SYNTHESIS | {"output"} | FEATURES,
        ),
    ],
)
def test_switches_remove_exactly_their_terms(
    changes: dict[str, Any], expected: set[str], batch: UnpairedBatch, record: Any
) -> None:
    method = built(**changes)
    *_, stage = method.stages()
    assert set(stage.step(batch, record(method, stage))) == expected


@pytest.mark.parametrize("kind", ["feature", "attention"])
def test_critics_that_are_switched_off_are_not_built(kind: str) -> None:
    method = built(**{f"{kind}_consistency": False})
    gone = {"feature": ("feature",), "attention": ("position", "channel")}[kind]
    expected = {f"{pair[:-2]}_critic{pair[-2:]}" for pair in PAIRS if not pair.startswith(gone)}
    pairs = {name for name, _ in method.named_children() if name.endswith(("critic_s", "critic_t"))}
    assert pairs == expected | {"critic_s", "critic_t"}


def test_each_term_has_its_weight_of_equation_10() -> None:
    method = built(lambda_out=0.3, lambda_gtl=0.7, lambda_syn=0.2)
    one = torch.tensor(1.0)
    for name, weight in {"seg_st": 1.0, "output": 0.3, **dict.fromkeys(PAIRS, 0.7)}.items():
        assert method._objective({name: one}, {}).item() == pytest.approx(weight)
    joint = method._objective({"seg_s": one}, {"cyc_t": one, "adv_s": one})
    assert joint.item() == pytest.approx(1 + 0.2 * (10 + 1))


def test_without_consistency_target_slices_are_not_looked_at(
    batch: UnpairedBatch, record: Any
) -> None:
    off = dict.fromkeys(
        ("output_consistency", "feature_consistency", "attention_consistency"), False
    )
    weights = []
    for x_t in (batch.x_t, torch.full_like(batch.x_t, torch.nan)):
        method = built(**off)
        *_, stage = method.stages()
        stage.step(replace(batch, x_t=x_t), record(method, stage))
        weights.append(torch.cat([weight.flatten() for weight in method.parameters()]))
    assert torch.equal(*weights)


# Frozen translators


def test_finished_translators_do_not_move(batch: UnpairedBatch, record: Any) -> None:
    method = built()
    translators = ("generator_t", "generator_s", "critic_t", "critic_s")
    before = {
        f"{name}.{key}": value.clone()
        for name in translators
        for key, value in getattr(method, name).state_dict().items()
    }
    *_, stage = method.stages()
    update = record(method, stage)
    for _ in range(3):
        stage.step(batch, update)
    assert update.graded["adapt"] == {"segmenter"}
    after = method.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_joint_training_moves_translators_by_segmentation_too(
    batch: UnpairedBatch, record: Any
) -> None:
    method = built(joint=True, optimizer="adamw", lambda_syn=0.0)
    (stage,) = method.stages()
    update = record(method, stage)
    stage.step(batch, update)
    assert update.graded["adapt"] == {"segmenter", "generator_t", "generator_s"}
    for name in ("generator_t", "generator_s"):
        slopes = [v for key, v in update.gradients["adapt"].items() if key.startswith(name)]
        assert max(slope.abs().max() for slope in slopes) > 0


# Who judges what


class Shift(nn.Module):
    """An image, changed by a number that is learned."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.by


class Level(nn.Module):
    """A segmenter that gives back an image's grey level, whatever is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Segmented:
        level = self.gain * images.mean((1, 2, 3), keepdim=True)
        logits = level.expand(-1, 3, *images.shape[2:])
        maps = level.expand(-1, 1, 16, 16), level.expand(-1, 1, 32, 32)
        return Segmented(logits, level.expand(-1, 16, 8, 8), *maps)


class Recorder(nn.Module):
    """A critic that remembers the level of what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[float] = []
        self.had_graph: list[bool] = []

    def forward(self, judged: Tensor) -> Tensor:
        self.seen.append(float(judged.detach().mean()))
        self.had_graph.append(judged.requires_grad)
        return judged.mean((1, 2, 3), keepdim=True) * self.weight


S, ST, T, TS = 0.5, 0.625, -0.25, -1.25


def judged(**changes: Any) -> tuple[BiGL, dict[str, Recorder]]:
    """Return BiGL whose images have the levels S, ST, T, TS, and its critics."""
    method = built(**changes)
    method.generator_t, method.generator_s = Shift(ST - S), Shift(TS - T)
    critics = {}
    for pair in PAIRS:
        critics[pair] = Recorder()
        setattr(method, f"{pair[:-2]}_critic{pair[-2:]}", critics[pair])
    method.segmenter = Level()  # type: ignore[assignment]
    return method, critics


def step(method: BiGL) -> dict[str, float]:
    """Run one iteration on levels S and T without moving anything."""
    x_s, x_t = torch.full((2, 1, 32, 32), S), torch.full((2, 1, 32, 32), T)
    labels = torch.zeros(2, 32, 32, dtype=torch.long)

    def update(optimizer: str, loss: Tensor) -> None:  # noqa: ARG001
        loss.backward()  # type: ignore[no-untyped-call]

    losses = method.step(UnpairedBatch(x_s=x_s, y_s=labels, x_t=x_t), update)
    return {name: loss.item() for name, loss in losses.items()}


def test_source_critics_see_ts_against_s_and_target_critics_t_against_st() -> None:
    method, critics = judged(adversarial="least_squares")
    losses = step(method)
    for name, critic in critics.items():
        kind, style = name.split("_")
        gain = {"feature": 1, "position": 16, "channel": 32}[kind]
        real, fake = (gain * S, gain * TS) if style == "s" else (gain * ST, gain * T)
        # First the segmenter's turn, which moves only the fake; then the critics'.
        assert critic.seen == pytest.approx([fake, real, fake])
        assert critic.had_graph == [True, False, False]
        assert losses[name] == pytest.approx((fake - 1) ** 2)
        assert losses[f"critic_{name}"] == pytest.approx(0.5 * ((real - 1) ** 2 + fake**2))


def test_printed_losses_are_logarithms_of_the_critics() -> None:
    """Eqs. 6 to 9 without their signs, on raw scores."""
    method, _ = judged()
    losses = step(method)
    d_fake, d_real = torch.tensor([TS, S]).sigmoid()
    assert losses["feature_s"] == pytest.approx(-d_fake.log().item())
    expected = 0.5 * (-d_real.log() - (1 - d_fake).log()).item()
    assert losses["critic_feature_s"] == pytest.approx(expected)


def test_critics_see_maps_as_they_are_when_told_so() -> None:
    method, critics = judged(attention_critics_see_multiples=False)
    step(method)
    assert critics["channel_t"].seen == pytest.approx([T, ST, T])


def test_maps_too_small_for_their_critics_are_refused(batch: UnpairedBatch, record: Any) -> None:
    method = built(backbone=Backbone(name="unet", width=4, levels=5))
    *_, stage = method.stages()
    with pytest.raises(ConfigError, match=r"position attention is a map of 4x4.*16x16"):
        stage.step(batch, record(method, stage))


def test_appearance_changes_what_is_segmented_but_not_what_is_translated() -> None:
    """Brightness of up to 1 in the segmenter's view; translators see the levels as they are."""
    seen: dict[str, list[Tensor]] = {"generator_t": [], "generator_s": [], "segmenter": []}
    method, _ = judged(appearance=AppearanceAugmentation(brightness=1.0))
    for name, images in seen.items():

        def remember(_: nn.Module, arguments: Any, images: list[Tensor] = images) -> None:
            images.append(arguments[0])

        getattr(method, name).register_forward_pre_hook(remember)
    step(method)
    (x_s,), (x_t,), (views,) = seen["generator_t"], seen["generator_s"], seen["segmenter"]
    assert set(x_s.flatten().tolist()) == {S}
    assert set(x_t.flatten().tolist()) == {T}
    levels = views.mean((1, 2, 3)).tolist()
    s, st, t, ts = levels[:2], levels[2:4], levels[4:6], levels[6:]
    assert (t, ts) == ([T, T], [TS, TS])
    assert len({*s, *st, S, ST}) == 6


# What is deployed


def test_only_the_segmenter_is_deployed(batch: UnpairedBatch) -> None:
    method = built().eval()
    assert method.deployed == ("segmenter",)
    expected = method.segmenter(batch.x_t).logits
    torch.testing.assert_close(method.logits(batch.x_t), expected)


def test_previews_show_both_translations(batch: UnpairedBatch) -> None:
    method = built().eval()
    images = method.translate(batch.x_s, batch.x_t)
    torch.testing.assert_close(images["x_st"], method.generator_t(batch.x_s))
    torch.testing.assert_close(images["x_ts"], method.generator_s(batch.x_t))


# Sizes and settings of the paper


def test_paper_presets_are_the_defaults_but_for_their_lengths() -> None:
    brain = load_preset("bigl", "paper_brain_tumour", TASKS["brain_tumour"]).method
    assert brain == BiGLConfig(num_classes=4)
    cardiac = load_preset("bigl", "paper_cardiac", TASKS["cardiac"]).method
    expected = BiGLConfig(num_classes=5, iterations=360_000, translation_iterations=360_000)
    assert cardiac == expected


def test_lengths_of_the_paper_presets_are_150_epochs() -> None:
    for name, slices in (("paper_brain_tumour", int(0.7 * 335) * 155), ("paper_cardiac", 9600)):
        preset = load_preset("bigl", name, TASKS["cardiac"])
        epoch = -(-slices // preset.training.batch_size)
        assert preset.method.iterations == 150 * epoch


def test_paper_networks_have_their_numbers_of_weights() -> None:
    with torch.device("meta"):
        method = BiGL(BiGLConfig(num_classes=4))
    count = {
        name: sum(weight.numel() for weight in network.parameters())
        for name, network in method.named_children()
    }
    patch_critic = (16 + 1) * 64 + (16 * 64 + 1 + 2) * 128 + (16 * 128 + 1 + 2) * 256 + 9 * 256 + 1
    feature_critic = sum((9 * a + 1) * a // 2 for a in (512, 256, 128)) + 9 * 64 + 1
    assert count.pop("segmenter") == 19_913_670
    assert count.pop("generator_t") == count.pop("generator_s") == 11_370_881
    assert count.pop("feature_critic_s") == count.pop("feature_critic_t") == feature_critic
    assert count == dict.fromkeys(
        [
            *("critic_t", "critic_s", "position_critic_s", "position_critic_t"),
            *("channel_critic_s", "channel_critic_t"),
        ],
        patch_critic,
    )


def test_a_slice_of_the_papers_size_is_segmented() -> None:
    backbone = BiGLConfig().backbone
    method = built(num_classes=4, backbone=backbone).eval()
    with torch.no_grad():
        probabilities = method.predict(torch.rand(1, 1, 240, 240) * 2 - 1)
    assert probabilities.shape == (1, 4, 240, 240)


class Moving:
    """The engine's part, and the optimizers that moved their first weight."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.moved: list[str] = []

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        chosen = self.stage.optimizers[optimizer]
        first = chosen.param_groups[0]["params"][0]
        before = first.detach().clone()
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()
        if not torch.equal(first, before):
            self.moved.append(optimizer)


def test_the_papers_networks_train() -> None:
    """Every width of the paper, on small slices; 64x64 are the smallest that leave 4x4 places."""
    torch.manual_seed(0)
    method = BiGL(BiGLConfig(num_classes=4))
    for stage, size in zip(method.stages(), (32, 64), strict=True):
        images = torch.rand(2, 1, 1, size, size) * 2 - 1
        labels = torch.randint(0, 4, (1, size, size))
        update = Moving(stage)
        losses = stage.step(UnpairedBatch(x_s=images[0], y_s=labels, x_t=images[1]), update)
        assert all(torch.isfinite(loss) for loss in losses.values())
        assert update.moved == list(stage.optimizers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"joint": True}, "optimizer is 'sgd', expected 'adamw'"),
        ({"translation_iterations": 0}, "translation_iterations is 0"),
        ({"warm_up_iterations": -1}, "warm_up_iterations is -1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **changes)
