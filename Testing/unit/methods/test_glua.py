"""GLUA against the paper: its numbers, its pairs, its mask, and each stage's step done by hand."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from CrossModalSegLib.core.tasks import TASKS
from CrossModalSegLib.core.tensors import UnpairedBatch
from CrossModalSegLib.methods.base import Stage
from CrossModalSegLib.methods.cycle_translation import CycleTranslationConfig
from CrossModalSegLib.methods.glua import GLUA
from CrossModalSegLib.methods.glua_config import GLUAConfig, StyleTransferSize
from CrossModalSegLib.networks.adain_translator import SOURCE, TARGET
from CrossModalSegLib.networks.backbones import Backbone
from CrossModalSegLib.networks.translators import Translator
from CrossModalSegLib.training.settings import load_preset

TINY = GLUAConfig(
    num_classes=3,
    iterations=4,
    translation_iterations=3,
    backbone=Backbone(name="unet", width=4, levels=3),
    translator=StyleTransferSize(width=2, blocks=1, style_width=4),
    cyclegan=CycleTranslationConfig(translator=Translator(width=2, blocks=1), critic_width=2),
    critic_width=4,
)


def glua(**changes: Any) -> GLUA:
    torch.manual_seed(0)
    return GLUA(replace(TINY, **changes))


def step(method: GLUA, name: str, batch: UnpairedBatch, record: Any) -> tuple[Any, Any]:
    (stage,) = (stage for stage in method.stages() if stage.name == name)
    update = record(method, stage)
    return stage.step(batch, update), update


class SteppingUpdate:
    """Steps optimizers as the engine does, and remembers no more than their names."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.order: list[str] = []

    def __call__(self, optimizer: str, loss: Tensor) -> None:
        self.order.append(optimizer)
        chosen = self.stage.optimizers[optimizer]
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()


class Through(nn.Module):
    """Stands for a network: scales what comes in, and keeps it."""

    def __init__(self, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.factor, self.offset = nn.Parameter(torch.tensor(factor)), offset
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.factor * x + self.offset


class ThroughEncoder(Through):
    """The same, as an encoder with one feature map."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        return (super().forward(x),)


class ThroughClassifier(Through):
    """The same, as a classifier: the last feature map is the score of class 1 of 2."""

    def forward(self, features: tuple[Tensor, ...]) -> Tensor:  # type: ignore[override]
        scores = super().forward(features[-1])
        return torch.cat([torch.zeros_like(scores), scores], dim=1)


def see_through(**changes: Any) -> GLUA:
    """Return a GLUA of stubs: f = x, D_1(f) = f - .1, the score of class 1 = f or f^."""
    method = glua(num_classes=2, style_transfer="none", output_adversarial=False, **changes)
    method.encoder, method.classifier = ThroughEncoder(), ThroughClassifier()
    method.critic_f = Through(offset=-0.1)
    return method


def constant_batch(x_s: float, x_t: float) -> UnpairedBatch:
    image = torch.ones(1, 1, 4, 4)
    return UnpairedBatch(x_s=x_s * image, y_s=torch.zeros(1, 4, 4).long(), x_t=x_t * image)


def test_defaults_are_the_papers() -> None:
    config = GLUAConfig()
    assert (config.lambda_rec_im, config.lambda_cyc) == (20.0, 20.0)
    assert (config.lambda_rec_c, config.lambda_adv) == (1.0, 1.0)
    assert (config.lambda_d1, config.lambda_d2) == (0.01, 0.01)
    assert (config.lr_translate, config.weight_decay_translate) == (2e-4, 1e-4)
    assert config.translation_iterations == 50_000
    assert (config.optimizer, config.momentum, config.weight_decay_segment) == ("sgd", 0.9, 5e-4)
    assert (config.betas_critics, config.decay_power) == ((0.9, 0.99), 0.9)
    assert (config.lr_segment, config.lr_critics) == (2.5e-4, 1e-4)
    assert config.backbone.name == "deeplab_resnet50"
    assert config.translator == StyleTransferSize(width=64, blocks=4, style_width=256)
    assert config.appearance.is_identity
    assert config.appearance_t.is_identity
    assert (config.mask_polarity, config.mask_detached) == ("target", False)


@pytest.mark.parametrize("name", ["paper_cardiac", "paper_abdomen"])
def test_the_paper_presets_are_the_defaults_spelled_out(name: str) -> None:
    task = TASKS["cardiac" if name == "paper_cardiac" else "abdomen"]
    preset = load_preset("glua", name, task)
    assert preset.method == GLUAConfig(num_classes=5)
    assert preset.training.batch_size == 8


# The update rules of torch's optimizers at their first step, written out.


def adam(weight: Tensor, gradient: Tensor, rate: float, decay: float = 0.0) -> Tensor:
    gradient = gradient + decay * weight
    return weight - rate * gradient / (gradient.abs() + 1e-8)


def sgd(weight: Tensor, gradient: Tensor, rate: float, decay: float) -> Tensor:
    return weight - rate * (gradient + decay * weight)


def check_step(
    reference: GLUA,
    update: Any,
    losses: dict[str, Tensor],
    rules: dict[str, Any],
) -> None:
    """Compare gradients and the weights after the step with those of losses written by hand."""
    before = dict(reference.named_parameters())
    after = dict(update.method.named_parameters())
    moved: set[str] = set()
    for optimizer, loss in losses.items():
        reference.zero_grad(set_to_none=True)
        loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
        for name, gradient in update.gradients[optimizer].items():
            expected = before[name].grad
            assert expected is not None, name
            torch.testing.assert_close(gradient, expected, msg=f"{optimizer}: {name}")
            stepped = rules[optimizer](before[name], expected)
            torch.testing.assert_close(after[name], stepped, atol=1e-6, rtol=0, msg=name)
            assert not torch.equal(after[name], before[name]), name
            moved.add(name)
    for name in set(before) - moved:
        assert torch.equal(after[name], before[name]), name


def l1(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs().mean()


def to_one(scores: Tensor) -> Tensor:
    return ((scores - 1) ** 2).mean()


def to_zero(scores: Tensor) -> Tensor:
    return (scores**2).mean()


def test_a_step_of_stage_1_equals_the_step_written_out(batch: UnpairedBatch, record: Any) -> None:
    """Sec. III.B, each domain by itself, on the same initial weights."""
    method = glua(lr_translate=1e-4)
    m = copy.deepcopy(method)
    _, update = step(method, "translate", batch, record)

    def ge(x: Tensor, domain: int) -> Tensor:
        content: Tensor = m.content_encoder(x, torch.tensor([domain] * len(x)))
        return content

    def gd(c: Tensor, domain: int) -> Tensor:
        image: Tensor = m.style_decoder(c, torch.tensor([domain] * len(c)))
        return image

    def d(x: Tensor, domain: int) -> Tensor:
        scores: Tensor = m.domain_critic(x, torch.tensor([domain] * len(x)))
        return scores

    generators, critic = torch.zeros(()), torch.zeros(())
    for x, i, j in ((batch.x_s, SOURCE, TARGET), (batch.x_t, TARGET, SOURCE)):
        c = ge(x, i)
        rec_im = l1(gd(ge(x, i), i), x)
        rec_c = l1(ge(gd(c, j), j), c)
        x_ij = gd(ge(x, i), j)
        cyc = l1(gd(ge(x_ij, j), i), x)
        adv = to_one(d(x_ij, j))
        generators = generators + 0.5 * (20 * rec_im + 1 * rec_c + 20 * cyc + 1 * adv)
        critic = critic + 0.5 * 0.5 * (to_one(d(x, i)) + to_zero(d(x_ij.detach(), j)))
    check_step(
        m,
        update,
        {"translate": generators, "domain_critic": critic},
        dict.fromkeys(("translate", "domain_critic"), lambda w, g: adam(w, g, 1e-4, 1e-4)),
    )


@pytest.mark.parametrize("style_transfer", ["adain", "none"])
def test_a_step_of_stage_2_equals_the_step_written_out(
    style_transfer: str, batch: UnpairedBatch, record: Any
) -> None:
    """Sec. III.B, image set by image set, on the same initial weights."""
    method = glua(style_transfer=style_transfer, lambda_d1=0.3, lambda_d2=0.7)
    m = copy.deepcopy(method)
    assert m.critic_f is not None
    assert m.critic_p is not None
    _, update = step(method, "adapt", batch, record)

    x_st = batch.x_s
    if style_transfer == "adain":
        d_s, d_t = torch.tensor([SOURCE] * 2), torch.tensor([TARGET] * 2)
        x_st = m.style_decoder(m.content_encoder(batch.x_s, d_s), d_t).detach()
    f_st, f_t = m.encoder(x_st), m.encoder(batch.x_t)
    p_st = m.classifier(f_st).softmax(1)
    f_hat = f_t[-1] + f_t[-1] * torch.tanh(m.critic_f(f_t[-1]).abs())
    p_t = m.classifier((*f_t[:-1], f_hat)).softmax(1)

    picked = p_st.gather(1, batch.y_s[:, None])
    truth = F.one_hot(batch.y_s, 3).movedim(-1, 1).float()
    dice = (2 * (p_st * truth).sum((0, 2, 3)) + 1) / ((p_st + truth).sum((0, 2, 3)) + 1)
    seg = -picked.log().mean() + 1 - dice[1:].mean()
    adv_d1 = to_zero(m.critic_f(f_t[-1]))  # the label of the source
    adv_d2 = to_one(m.critic_p(p_t))
    d1 = 0.5 * (to_one(m.critic_f(f_t[-1].detach())) + to_zero(m.critic_f(f_st[-1].detach())))
    d2 = 0.5 * (to_one(m.critic_p(p_st.detach())) + to_zero(m.critic_p(p_t.detach())))
    check_step(
        m,
        update,
        {"segment": seg + 0.3 * adv_d1 + 0.7 * adv_d2, "critics": d1 + d2},
        {
            "segment": lambda w, g: sgd(w, g, 2.5e-4, 5e-4),
            "critics": lambda w, g: adam(w, g, 1e-4),
        },
    )


def test_the_domain_critic_judges_reals_and_fakes_of_both_domains(batch: UnpairedBatch) -> None:
    """Real: source as source, target as target. Fake: x_st as target, x_ts as source."""
    method = glua()
    judged: list[tuple[Tensor, list[int]]] = []
    inner = method.domain_critic

    class Listening(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: Tensor, domains: Tensor) -> Tensor:
            judged.append((images, domains.tolist()))
            scores: Tensor = self.inner(images, domains)
            return scores

    method.domain_critic = Listening()  # type: ignore[assignment]
    images = method.translate(batch.x_s, batch.x_t)
    stage = method.stages()[0]
    update = SteppingUpdate(stage)
    stage.step(batch, update)
    assert update.order == ["translate", "domain_critic"]
    fooling, real, fake = judged
    both = torch.cat([images["x_st"], images["x_ts"]])
    for found, is_free in ((fooling, False), (fake, True)):
        torch.testing.assert_close(found[0], both)
        assert found[1] == [TARGET, TARGET, SOURCE, SOURCE]
        assert found[0].requires_grad is not is_free
    assert torch.equal(real[0], torch.cat([batch.x_s, batch.x_t]))
    assert real[1] == [SOURCE, SOURCE, TARGET, TARGET]


def test_the_mask_gives_hand_numbers_at_prediction() -> None:
    """With f = x and m = |x - .1|: f + f tanh(m)."""
    x_t = torch.tensor([0.6, -0.4]).view(1, 1, 1, 2)
    method = see_through()
    expected = [0.6 * (1 + math.tanh(0.5)), -0.4 * (1 + math.tanh(0.5))]
    found = method.logits(x_t)[0, 1, 0]
    torch.testing.assert_close(found, torch.tensor(expected))
    assert expected == pytest.approx([0.8772702, -0.5848468])
    probability = 1 / (1 + math.exp(-0.8772702))
    assert method.predict(x_t)[0, 1, 0, 0].item() == pytest.approx(probability)
    mask = method.maps(x_t)["feature_mask"]
    torch.testing.assert_close(mask[0, 0, 0], torch.tensor([0.4621172, 0.4621172]))


def test_in_training_only_target_features_are_reweighted(record: Any) -> None:
    method = see_through()
    step(method, "adapt", constant_batch(x_s=0.6, x_t=-0.4), record)
    assert isinstance(method.classifier, ThroughClassifier)
    (seen,) = method.classifier.seen
    torch.testing.assert_close(seen[0], torch.full((1, 4, 4), 0.6))
    torch.testing.assert_close(seen[1], torch.full((1, 4, 4), -0.5848468))


@pytest.mark.parametrize(
    ("polarity", "adv_d1", "critic_d1"),
    [
        # Scores: D_1(x_st) = .6 - .1 = .5, D_1(x_t) = -.4 - .1 = -.5.
        ("target", 0.25, 0.5 * ((-0.5 - 1) ** 2 + 0.5**2)),
        ("source", 2.25, 0.5 * ((0.5 - 1) ** 2 + 0.5**2)),
    ],
)
def test_polarity_says_which_domain_the_mask_critic_scores_with_one(
    polarity: str, adv_d1: float, critic_d1: float, record: Any
) -> None:
    method = see_through(mask_polarity=polarity)
    losses, _ = step(method, "adapt", constant_batch(x_s=0.6, x_t=-0.4), record)
    assert losses["adv_d1"].item() == pytest.approx(adv_d1)
    assert losses["critic_d1"].item() == pytest.approx(critic_d1)


def test_a_well_recognised_target_has_a_large_mask_in_the_default_polarity_alone() -> None:
    """Train D_1 on features that it can tell apart; the mask on the target goes to tanh(1) or 0."""
    batch, masks = constant_batch(x_s=0.8, x_t=-0.8), {}
    for polarity in ("target", "source"):
        method = see_through(mask_polarity=polarity, lr_critics=0.2, lr_segment=0.0)
        method.critic_f = nn.Conv2d(1, 1, 1)
        (stage,) = method.stages()
        for _ in range(60):
            stage.step(batch, SteppingUpdate(stage))
        masks[polarity] = method.maps(batch.x_t)["feature_mask"].mean().item()
    assert masks["target"] == pytest.approx(math.tanh(1), abs=0.02)
    assert masks["source"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("detached", [True, False])
def test_the_gradient_of_the_mask_flows_unless_detached(*, detached: bool) -> None:
    """d/df of f (1 + tanh|f - .1|) at f = .6: 1 + tanh(.5), and f (1 - tanh(.5)^2) through m."""
    method = see_through(mask_detached=detached)
    x_t = torch.full((1, 1, 1, 1), 0.6, requires_grad=True)
    (gradient,) = torch.autograd.grad(method.logits(x_t)[0, 1].sum(), x_t)
    tanh = math.tanh(0.5)
    expected = 1 + tanh + (0.0 if detached else 0.6 * (1 - tanh**2))
    assert gradient.item() == pytest.approx(expected)


def test_the_mask_multiplies_the_coarsest_features_of_a_unet(batch: UnpairedBatch) -> None:
    method = glua()
    assert method.critic_f is not None
    features = method.encoder(batch.x_t)
    mask = method.critic_f(features[-1]).abs().tanh()
    expected = method.classifier((*features[:-1], features[-1] * (1 + mask)))
    torch.testing.assert_close(method.logits(batch.x_t), expected)
    large = F.interpolate(mask, (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(method.maps(batch.x_t)["feature_mask"], large)


@pytest.mark.parametrize(
    ("switches", "gone"),
    [
        ({"feature_mask": False}, {"adv_d1", "critic_d1"}),
        ({"output_adversarial": False}, {"adv_d2", "critic_d2"}),
        (
            {"feature_mask": False, "output_adversarial": False},
            {"adv_d1", "critic_d1", "adv_d2", "critic_d2"},
        ),
        ({"style_transfer": "none"}, set()),
        ({"style_transfer": "cyclegan"}, set()),
    ],
)
def test_each_switch_of_table_iii_removes_its_terms(
    switches: dict[str, Any], gone: set[str], batch: UnpairedBatch, record: Any
) -> None:
    complete, _ = step(glua(), "adapt", batch, record)
    ablated, _ = step(glua(**switches), "adapt", batch, record)
    assert set(complete) == {"seg", "adv_d1", "adv_d2", "critic_d1", "critic_d2"}
    assert set(complete) - set(ablated) == gone


def test_without_d1_there_is_no_mask_and_nothing_of_it_is_deployed(batch: UnpairedBatch) -> None:
    method = glua(feature_mask=False)
    assert method.deployed == ("encoder", "classifier")
    assert method.maps(batch.x_t) == {}
    torch.testing.assert_close(
        method.logits(batch.x_t), method.classifier(method.encoder(batch.x_t))
    )


def test_without_style_transfer_the_source_itself_is_segmented(
    batch: UnpairedBatch, record: Any
) -> None:
    method = glua(style_transfer="none", feature_mask=False, output_adversarial=False)
    assert [stage.name for stage in method.stages()] == ["adapt"]
    assert method.translate(batch.x_s, batch.x_t) == {}
    expected = F.cross_entropy(method.classifier(method.encoder(batch.x_s)), batch.y_s)
    losses, _ = step(method, "adapt", batch, record)
    assert 0 < losses["seg"].item() - expected.item() < 1  # 1 - Dice


def test_cyclegan_may_be_the_style_transfer(batch: UnpairedBatch, record: Any) -> None:
    method = glua(style_transfer="cyclegan")
    assert set(dict(method.named_children())).isdisjoint({"content_encoder", "style_decoder"})
    assert [(stage.name, stage.iterations) for stage in method.stages()] == [
        ("translate", 3),
        ("adapt", 4),
    ]
    losses, update = step(method, "translate", batch, record)
    assert set(losses) == {"adv_t", "adv_s", "cyc_s", "cyc_t", "critic_t", "critic_s"}
    assert update.moved == {
        "generators": {"generator_s", "generator_t"},
        "image_critics": {"critic_s", "critic_t"},
    }
    x_st = method.translate(batch.x_s, batch.x_t)["x_st"]
    torch.testing.assert_close(x_st, method.generator_t(batch.x_s))
    seen: list[Tensor] = []
    method.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    _, update = step(method, "adapt", batch, record)
    torch.testing.assert_close(seen[0], torch.cat([x_st, batch.x_t]))
    assert update.graded["segment"] == {"encoder", "classifier"}


def test_the_translator_is_no_longer_moved_in_stage_2(batch: UnpairedBatch, record: Any) -> None:
    translate, adapt = glua().stages()
    assert (translate.iterations, adapt.iterations) == (3, 4)
    _, update = step(glua(), "adapt", batch, record)
    assert update.graded["segment"] == {"encoder", "classifier"}
    assert update.graded["critics"] == {"critic_f", "critic_p"}


def test_rates_of_stage_2_decay_and_those_of_stage_1_only_if_asked(
    batch: UnpairedBatch, record: Any
) -> None:
    for power, expected in ((0.0, 1.0), (1.0, 0.5)):
        method = glua(translation_iterations=4, decay_power_translate=power)
        found = {}
        for stage in method.stages():
            for _ in range(3):
                stage.step(batch, record(method, stage))
                for schedule in stage.schedules.values():
                    schedule.step()
            for name, optimizer in stage.optimizers.items():
                group = optimizer.param_groups[0]
                found[name] = group["lr"] / group["initial_lr"]
        assert found["translate"] == found["domain_critic"] == pytest.approx(expected)
        assert found["segment"] == found["critics"] == pytest.approx((1 / 4) ** 0.9)


def test_cross_entropy_is_the_printed_form(record: Any) -> None:
    method = see_through(adversarial="cross_entropy", mask_polarity="source")
    losses, _ = step(method, "adapt", constant_batch(x_s=0.6, x_t=-0.4), record)

    def sigmoid(score: float) -> float:
        return 1 / (1 + math.exp(-score))

    printed = -math.log(sigmoid(0.5)) - math.log(1 - sigmoid(-0.5))
    assert losses["critic_d1"].item() == pytest.approx(0.5 * printed)
    assert losses["adv_d1"].item() == pytest.approx(-math.log(sigmoid(-0.5)))


def test_the_small_presets_train_the_segmenter_with_adamw() -> None:
    for name in ("quick", "small"):
        config = load_preset("glua", name, TASKS["cardiac"]).method
        assert isinstance(config, GLUAConfig)
        method = GLUA(config)
        assert isinstance(method.stages()[-1].optimizers["segment"], torch.optim.AdamW)


@pytest.mark.parametrize("name", ["translate", "adapt"])
def test_a_step_at_paper_size_is_finite(name: str) -> None:
    """The paper's networks at batch 1; slices of 64x64, not 256x256, for the sake of time."""
    torch.manual_seed(0)
    method = GLUA(GLUAConfig())
    (stage,) = (stage for stage in method.stages() if stage.name == name)
    images = torch.rand(2, 1, 64, 64) * 2 - 1
    labels = torch.randint(0, 5, (1, 64, 64))
    update = SteppingUpdate(stage)
    losses = stage.step(UnpairedBatch(images[:1], labels, images[1:]), update)
    assert update.order == list(stage.optimizers)
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(weight).all() for weight in method.parameters())


def test_paper_size_slices_are_segmented_and_masked_at_their_size() -> None:
    with torch.device("meta"):
        method = GLUA(GLUAConfig()).eval()
        x_t = torch.empty(8, 1, 256, 256)
        assert method.logits(x_t).shape == (8, 5, 256, 256)
        assert method.maps(x_t)["feature_mask"].shape == (8, 1, 256, 256)
        assert method.translate(x_t, x_t)["x_st"].shape == (8, 1, 256, 256)
