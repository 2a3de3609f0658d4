"""BiGL: translation both ways, then consistency from whole outputs down to attention.

K. He, W. Ji, T. Zhou, Z. Li, J. Huo, X. Zhang, Y. Gao, D. Shen, B. Zhang, J. Zhang, "Cross-Modality
Brain Tumor Segmentation via Bidirectional Global-to-Local Unsupervised Domain Adaptation",
https://arxiv.org/abs/2105.07715

======================  ======================  ==============================================
Paper                   Code                    Meaning
======================  ======================  ==============================================
x_s, y_s, x_t           x_s, y_s, x_t           source slice, its label map, target slice
x_{s->t}, x_{t->s}      x_st, x_ts              translated slices
G_{T1->T2}, G_{T2->T1}  generator_t, _s         translators
D                       critic_t, critic_s      critics of target and source images
Phi                     segmenter               dual-attention U-Net, shared by all four images
xi                      Segmented.features      features after the attention block
A^Pos, A^Cha            Segmented.position,     maps of the places, HW x HW, and of the channels,
                        .channel                C x C
D_s^Feat, D_t^Feat      feature_critic_s, _t    s against ts, st against t
D_s^Att, D_t^Att        position_critic_s, _t,  the same of each map
                        channel_critic_s, _t
======================  ======================  ==============================================

Where the paper leaves something open, contradicts itself or misprints:

=============================  ===============================================================
Paper                          Here
=============================  ===============================================================
Eqs. 1, 2: translator          Cycle-consistent, unconditional critics (`CycleTranslation`): its
                               two references name a paired network and CycleGAN. L1 between
                               unpaired slices: a switch, `translation.lambda_paired`.
Eq. 2: minus between terms     Plus.
Eq. 3: one alpha               One for each branch, from 0, as in the network it cites.
Eq. 4: minus before Dice       Cross-entropy + 1 - generalised Dice, the weights in numerator and
                               denominator.
Eq. 5: minus                   The distance is minimised; a norm, not a mean: with lambda_out
                               .001 a mean would weigh nothing (`output_distance`).
Eqs. 6 to 9, summed in Eq. 10  Alternating steps of segmenter (Eqs. 6, 8) and critics (7, 9).
                               Only t and ts are moved. Critics' losses are not weighed: Adam
                               would undo it.
"aggregation" of branches      Their sum.
Critics                        Features: 3x3 convolutions of stride 1, since the maps are small;
                               attention: patch critics of the maps as one-channel images, times
                               their width. So the slices' size fixes the maps' size.
Optimisers, batch, sizes       Settings and presets, each with its reason.
=============================  ===============================================================

Joint training: gradients of Eqs. 4 to 9 reach the translators through x_st and x_ts, with one
AdamW over all. Departures that only presets switch on: AdamW for the segmenter, changes of
appearance, a warm-up on the labelled pair, smaller networks. Checked against: no released code.
"""

from __future__ import annotations

from functools import partial

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from CrossModalSegLib.core.tensors import Images, Labels, Logits, Losses, Scalar, UnpairedBatch
from CrossModalSegLib.losses.consistency import output_distance
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.losses.segmentation import cross_entropy_generalised_dice
from CrossModalSegLib.methods.base import (
    Method,
    Stage,
    Update,
    detached,
    frozen,
    polynomial_decay,
)
from CrossModalSegLib.methods.bigl_alignment import Alignment, Critics
from CrossModalSegLib.methods.bigl_config import BiGLConfig
from CrossModalSegLib.methods.cycle_translation import CycleTranslation
from CrossModalSegLib.networks.discriminators import PatchDiscriminator
from CrossModalSegLib.networks.dual_attention import DualAttentionSegmenter, Segmented
from CrossModalSegLib.networks.pixel_discriminator import PixelDiscriminator


class BiGL(Method):
    """One segmenter of real and translated images, aligned from outputs down to attention."""

    title = "BiGL"
    reference = "He et al., 2021, https://arxiv.org/abs/2105.07715"
    config_class = BiGLConfig
    config: BiGLConfig

    def __init__(self, config: BiGLConfig) -> None:
        super().__init__()
        self.config = config
        self.segmenter = DualAttentionSegmenter(config.backbone, config.num_classes)

        translation = config.translation
        self.generator_t, self.generator_s = translation.generator(), translation.generator()
        self.critic_t, self.critic_s = translation.critic(), translation.critic()

        if config.feature_consistency:
            channels = config.backbone.channels[-1]
            self.feature_critic_s = PixelDiscriminator(channels)
            self.feature_critic_t = PixelDiscriminator(channels)
        if config.attention_consistency:
            critic = partial(PatchDiscriminator, 1, config.critic_width)
            self.position_critic_s, self.position_critic_t = critic(), critic()
            self.channel_critic_s, self.channel_critic_t = critic(), critic()

    @property
    def deployed(self) -> tuple[str, ...]:
        """Phi: target slices are segmented as they are."""
        return ("segmenter",)

    def stages(self) -> tuple[Stage, ...]:
        """Return translation, unless it is joint, an optional warm-up, and adaptation."""
        config = self.config
        warm_up = min(config.warm_up_iterations, config.iterations)
        lengths = {"warm_up": warm_up, "adapt": config.iterations - warm_up}
        optimizers = self._optimizers()
        schedules = self._schedules(optimizers)
        used = {
            "warm_up": [name for name in optimizers if name != "alignment_critics"],
            "adapt": [*optimizers],
        }
        adaptation = tuple(
            Stage(
                name=name,
                iterations=iterations,
                optimizers={key: optimizers[key] for key in used[name]},
                schedules=schedules,
                step=partial(self.step, is_consistent=name == "adapt"),
            )
            for name, iterations in lengths.items()
            if iterations
        )
        if config.joint:
            return adaptation
        return self._translation().stage(config.translation_iterations), *adaptation

    def _schedules(self, optimizers: dict[str, Optimizer]) -> dict[str, LRScheduler]:
        """Return those of the adaptation; the critics of features and attention have none."""
        config = self.config
        schedules: dict[str, LRScheduler] = {
            "adapt": polynomial_decay(
                optimizers["adapt"], config.iterations, power=config.decay_power
            )
        }
        if config.joint:
            schedules["image_critics"] = polynomial_decay(
                optimizers["image_critics"],
                config.iterations,
                power=config.translation.decay_power,
                hold_fraction=0.5,
            )
        return schedules

    def _optimizers(self) -> dict[str, Optimizer]:
        """Return those of the adaptation that have something to learn."""
        config, critics = self.config, self._alignment().networks
        optimizers = {"adapt": self._network_optimizer()}
        if config.joint:
            optimizers["image_critics"] = self._translation().critic_optimizer()
        if critics:
            weights = [weight for critic in critics for weight in critic.parameters()]
            optimizers["alignment_critics"] = Adam(weights, config.lr_critics, config.betas_critics)
        return optimizers

    def _network_optimizer(self) -> Optimizer:
        config, weights = self.config, list(self.segmenter.parameters())
        if config.optimizer == "sgd":
            return SGD(
                weights, config.lr_segment, config.momentum, weight_decay=config.weight_decay
            )
        optimizer = AdamW(weights, config.lr_segment, weight_decay=config.weight_decay)
        if config.joint:
            translators = [*self.generator_t.parameters(), *self.generator_s.parameters()]
            rate, betas = config.translation.lr_generators, config.translation.betas
            optimizer.add_param_group(
                {"params": translators, "lr": rate, "betas": betas, "weight_decay": 0.0}
            )
        return optimizer

    def step(self, batch: UnpairedBatch, update: Update, *, is_consistent: bool = True) -> Losses:
        """Run one iteration of the adaptation: Phi (and G), then every critic.

        Args:
            batch: Slices of both domains.
            update: The engine's.
            is_consistent: Whether any consistency is asked for; not in the warm-up.
        """
        config, alignment = self.config, self._alignment()
        is_consistent = is_consistent and config.has_consistency
        synthesis, images = self._synthesis(batch, is_bidirectional=is_consistent)
        with frozen(*alignment.networks):
            found = self._segment(batch, images)
            losses = self._segmentation_losses(found, batch.y_s)
            if is_consistent:
                losses |= self._consistency_losses(found, alignment)
            update("adapt", self._objective(losses, synthesis))

        critics: Losses = {}
        if config.joint:
            critics = self._translation().critic_losses(batch, images)
            update("image_critics", torch.stack([*critics.values()]).sum())
        aligned = alignment.discriminator(found) if is_consistent else {}
        if aligned:
            update("alignment_critics", torch.stack([*aligned.values()]).sum())
        return detached(**synthesis, **losses, **critics, **aligned)

    def _synthesis(
        self, batch: UnpairedBatch, *, is_bidirectional: bool
    ) -> tuple[Losses, dict[str, Images]]:
        """Return L^G's terms and the translated slices; of frozen translators only the latter."""
        if self.config.joint:
            return self._translation().generator_losses(batch)
        with torch.no_grad():
            images = {"x_st": self.generator_t(batch.x_s)}
            if is_bidirectional:
                images["x_ts"] = self.generator_s(batch.x_t)
        return {}, images

    def _segment(self, batch: UnpairedBatch, images: dict[str, Images]) -> dict[str, Segmented]:
        """Segment the two or, where x_ts is there to compare x_t with, four images in one pass."""
        config = self.config
        views = {"s": config.appearance(batch.x_s), "st": config.appearance(images["x_st"])}
        if "x_ts" in images:
            views["t"] = config.appearance_t(batch.x_t)
            views["ts"] = config.appearance_t(images["x_ts"])
        together: Segmented = self.segmenter(torch.cat(list(views.values())))
        parts = zip(*(each.chunk(len(views)) for each in together), strict=True)
        return {name: Segmented(*part) for name, part in zip(views, parts, strict=True)}

    def _segmentation_losses(self, found: dict[str, Segmented], y_s: Labels) -> Losses:
        return {
            f"seg_{name}": cross_entropy_generalised_dice(found[name].logits, y_s)  # Eq. 4
            for name in ("s", "st")
        }

    def _consistency_losses(self, found: dict[str, Segmented], alignment: Alignment) -> Losses:
        losses: Losses = {}
        if self.config.output_consistency:
            kind = self.config.output_distance
            losses["output"] = output_distance(found["t"].logits, found["ts"].logits, kind)  # Eq. 5
        return losses | alignment.segmenter(found)  # Eqs. 6, 8

    def _objective(self, losses: Losses, synthesis: Losses) -> Scalar:
        """Weigh the terms as Eq. 10 does."""
        config = self.config
        weights = {"seg": 1.0, "output": config.lambda_out}
        terms = [
            weights.get(name.partition("_")[0], config.lambda_gtl) * loss
            for name, loss in losses.items()
        ]
        if synthesis:
            terms.append(config.lambda_syn * self._translation().objective(synthesis))
        return torch.stack(terms).sum()

    def _translation(self) -> CycleTranslation:
        """Return the translators and their critics, as they are wrapped at present."""
        return CycleTranslation(
            self.generator_t,
            self.generator_s,
            self.critic_t,
            self.critic_s,
            self.config.translation,
        )

    def _alignment(self) -> Alignment:
        """Return the critics of features and attention, as they are wrapped at present."""
        config, critics = self.config, dict[str, Critics]()
        if config.feature_consistency:
            critics["feature"] = Critics(self.feature_critic_s, self.feature_critic_t)
        if config.attention_consistency:
            critics["position"] = Critics(self.position_critic_s, self.position_critic_t)
            critics["channel"] = Critics(self.channel_critic_s, self.channel_critic_t)
        game = AdversarialLoss(config.adversarial)
        return Alignment(critics, game, config.attention_critics_see_multiples)

    def logits(self, x_t: Images) -> Logits:
        """Segment with Phi; no translation is needed."""
        found: Segmented = self.segmenter(x_t)
        return found.logits

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Return x_st and x_ts."""
        return self._translation().translate(x_s, x_t)
