"""DSAN: deep symmetric adaptation network, translating both ways around one shared encoder.

X. Han, L. Qi, Q. Yu, Z. Zhou, Y. Zheng, Y. Shi, Y. Gao, "Deep Symmetric Adaptation Network for
Cross-Modality Medical Image Segmentation", IEEE TMI 2022, https://arxiv.org/abs/2101.06853

=============  ======================  =======================================================
Paper          Code                    Meaning
=============  ======================  =======================================================
x^s, y^s       x_s, y_s                source slice and its label map
x^t            x_t                     target slice
x^{s->t}       x_st                    source content in target style, U_t(E(x^s))
x^{t->s}       x_ts                    target content in source style, U_s(E(x^t))
Z_s, Z_t       z                       features E(x^s), E(x^t)
E              encoder                 shared encoder
U_s, U_t       decoder_s, decoder_t    private image decoders
C_1, C_2       classifier,             pixel classifiers of the last and
               classifier_low          of a lower-resolution level
D_s, D_t       critic_s, critic_t      critics of source and target images
D_p1, D_p2     critic_p, critic_p_low  critics of the class probabilities of both levels
=============  ======================  =======================================================

Read into the paper, which does not say: least-squares adversarial losses, inverse-frequency class
weights, weight .1 for C_2 and its critic (as SIFA), critics see probabilities, and neither the
segmentation nor the semantic adversarial gradient reaches the decoders through x_st and x_ts.
Each is a setting. Fixed: a batch is that many slices of each domain; in Eqs. 9 and 10 E and C_i
move predictions of target content alone (as SIFA; the paper's minimax would also move those of
source content); slices that one pass takes share their batch statistics, whatever their domain.
Departures that only presets switch on: the appearance augmentation, the warm-up without semantic
losses, critics of predictions without normalisation, the polynomial decay. Checked against: no
released code.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam, Optimizer

from CrossModalSegLib.core.tensors import (
    Images,
    Labels,
    Logits,
    Losses,
    Scalar,
    UnpairedBatch,
)
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.losses.segmentation import cross_entropy_dice
from CrossModalSegLib.methods.base import (
    Method,
    Stage,
    Update,
    detached,
    frozen,
    polynomial_decay,
)
from CrossModalSegLib.methods.dsan_config import DSANConfig
from CrossModalSegLib.methods.dsan_semantics import Levels, SemanticGame
from CrossModalSegLib.networks.discriminators import PatchDiscriminator


class DSAN(Method):
    """Bidirectional feature alignment by two symmetric translators, with semantic mining."""

    title = "DSAN"
    reference = "Han et al., IEEE TMI 2022, https://arxiv.org/abs/2101.06853"
    config_class = DSANConfig
    config: DSANConfig

    def __init__(self, config: DSANConfig) -> None:
        super().__init__()
        self.config = config
        backbone, classes = config.backbone, config.num_classes

        self.encoder = backbone.encoder()
        self.classifier = backbone.classifier(classes)
        self.classifier_low = backbone.classifier_low(classes)
        self.translation_encoder = None if config.shared_encoder else backbone.encoder()
        self.decoder_t = backbone.image_decoder()
        self.decoder_s = None if config.shared_decoders else backbone.image_decoder()

        critic = partial(PatchDiscriminator, width=config.critic_width)
        self.critic_t, self.critic_s = critic(1), critic(1)
        critic_p = partial(critic, classes, normalised=config.critic_p_normalised)
        self.critic_p, self.critic_p_low = critic_p(), critic_p()
        own = not config.shared_critics
        self.critic_p_generated = critic_p() if own else None
        self.critic_p_low_generated = critic_p() if own else None
        self.adversarial = AdversarialLoss(config.adversarial)

    @property
    def deployed(self) -> tuple[str, ...]:
        """E and C_1."""
        return ("encoder", "classifier")

    def stages(self) -> tuple[Stage, ...]:
        """Return the joint training, preceded by a warm-up if there is one."""
        config = self.config
        warm_up = min(config.warm_up_iterations, config.iterations)
        lengths = {"warm_up": warm_up, "adapt": config.iterations - warm_up}
        optimizers = self._optimizers()
        schedules = {
            name: polynomial_decay(
                optimizer,
                lengths["adapt"] if name == "semantic_critics" else config.iterations,
                power=config.decay_power,
                hold_fraction=0.5,
            )
            for name, optimizer in optimizers.items()
        }
        used = {
            "warm_up": [name for name in optimizers if name != "semantic_critics"],
            "adapt": [*optimizers],
        }
        return tuple(
            Stage(
                name=name,
                iterations=iterations,
                optimizers={key: optimizers[key] for key in used[name]},
                schedules={key: schedules[key] for key in used[name]},
                step=partial(self.step, with_semantics=name == "adapt"),
            )
            for name, iterations in lengths.items()
            if iterations
        )

    def _optimizers(self) -> dict[str, Optimizer]:
        """Return those that have something to learn from."""
        config = self.config
        encoders = (self.encoder, self.translation_encoder)
        segmenter = _weights(*encoders, self.classifier, self.classifier_low)
        decoders = _weights(self.decoder_s, self.decoder_t)
        optimizers: dict[str, Optimizer] = {
            "adapt": Adam(
                [
                    {"params": segmenter, "lr": config.lr_segment},
                    {"params": decoders, "lr": config.lr_decoders},
                ],
                betas=config.betas,
            )
        }
        if config.target_generation or config.source_generation:
            critics = _weights(self.critic_s, self.critic_t)
            optimizers["image_critics"] = Adam(critics, config.lr_image_critics, config.betas)
        if config.semantic_adversarial:
            critics = _weights(*self._semantic_game.critics)
            optimizers["semantic_critics"] = Adam(critics, config.lr_semantic_critics, config.betas)
        return optimizers

    def step(self, batch: UnpairedBatch, update: Update, *, with_semantics: bool = True) -> Losses:
        """Run one iteration: E, U and C together on Eq. 12, then the critics.

        Args:
            batch: Source pair and unlabelled target slices.
            update: The engine's.
            with_semantics: Whether L_adv^sec takes part.
        """
        with_semantics = with_semantics and self.config.semantic_adversarial
        game = self._semantic_game
        with frozen(self.critic_s, self.critic_t, *game.critics):
            images = self._translate(batch.x_s, batch.x_t)
            generation = self._generation_losses(batch, images)
            logits = self._segment(batch, images, with_semantics=with_semantics)
            segmentation = self._segmentation_losses(logits, batch.y_s)
            semantics = game.segmenter(logits) if with_semantics else {}
            losses = generation | segmentation | semantics
            update("adapt", self._objective(losses))  # Eq. 12

        critics = self._image_critic_losses(batch, images)
        if critics:
            update("image_critics", torch.stack([*critics.values()]).sum())
        if with_semantics:
            critics["critic_p"] = game.discriminator(logits)
            update("semantic_critics", critics["critic_p"])
        return detached(**losses, **critics)

    def _translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Reconstruct and translate both ways from one pass of E."""
        config, images = self.config, dict[str, Images]()
        if not (config.target_generation or config.source_generation):
            return images
        z = self._translation_encoder()(torch.cat([x_s, x_t]))
        if config.target_generation:
            images["x_st"], images["x_tt"] = self.decoder_t(z).chunk(2)
        if config.source_generation:
            images["x_ss"], images["x_ts"] = self._source_decoder()(z).chunk(2)
        return images

    def _generation_losses(self, batch: UnpairedBatch, images: dict[str, Images]) -> Losses:
        losses: Losses = {}
        if self.config.target_generation:
            losses["rec_t"] = F.l1_loss(images["x_tt"], batch.x_t)  # Eq. 3
            losses["adv_t"] = self.adversarial.generator(self.critic_t(images["x_st"]))  # Eq. 1
        if self.config.source_generation:
            losses["rec_s"] = F.l1_loss(images["x_ss"], batch.x_s)  # Eq. 4
            losses["adv_s"] = self.adversarial.generator(self.critic_s(images["x_ts"]))  # Eq. 2
        return losses

    def _segment(
        self, batch: UnpairedBatch, images: dict[str, Images], *, with_semantics: bool
    ) -> dict[str, Levels]:
        """Segment every image that a loss of Sec. III.B needs, in one pass of E and C_i."""
        translated = {name: images[f"x_{name}"] for name in ("st", "ts") if f"x_{name}" in images}
        if not self.config.segmentation_reaches_decoders:
            translated = {name: image.detach() for name, image in translated.items()}
        views = {"s": batch.x_s, "t": batch.x_t, **translated}
        if not with_semantics:
            is_needed = {
                "s": self.config.source_segmentation,
                "st": self.config.translated_segmentation,
            }
            views = {name: image for name, image in views.items() if is_needed.get(name)}
        for name in ("s", "st"):  # in this order: each call draws random numbers
            if name in views:
                views[name] = self.config.appearance(views[name])

        features = self.encoder(torch.cat(list(views.values())))
        levels = self.classifier(features), self.classifier_low(features)
        main, low = (level.float().chunk(len(views)) for level in levels)
        return dict(zip(views, zip(main, low, strict=True), strict=True))

    def _segmentation_losses(self, logits: dict[str, Levels], y_s: Labels) -> Losses:
        losses: Losses = {}
        if self.config.source_segmentation:
            losses["seg_s"] = self._supervised(logits["s"], y_s)  # Eq. 7
        if self.config.translated_segmentation:
            losses["seg_st"] = self._supervised(logits["st"], y_s)  # Eq. 8
        return losses

    def _supervised(self, levels: Levels, labels: Labels) -> Scalar:
        main, low = (
            cross_entropy_dice(level, labels, class_weights=self.config.class_weights)
            for level in levels
        )
        return main + self.config.lambda_low * low

    def _objective(self, losses: Losses) -> Scalar:
        """Weigh the terms as Eqs. 5, 6 and 12 do."""
        config = self.config
        weights = {
            "rec": config.lambda_gen * config.lambda_rec,
            "adv": config.lambda_gen * config.lambda_adv,
            "seg": config.lambda_seg,
            "secadv": config.lambda_secadv,
        }
        terms = [weights[name.partition("_")[0]] * loss for name, loss in losses.items()]
        return torch.stack(terms).sum()

    def _image_critic_losses(self, batch: UnpairedBatch, images: dict[str, Images]) -> Losses:
        tell_apart, losses = self.adversarial.discriminator, Losses()
        if self.config.target_generation:
            fake = self.critic_t(images["x_st"].detach())
            losses["critic_t"] = tell_apart(real=self.critic_t(batch.x_t), fake=fake)  # Eq. 1
        if self.config.source_generation:
            fake = self.critic_s(images["x_ts"].detach())
            losses["critic_s"] = tell_apart(real=self.critic_s(batch.x_s), fake=fake)  # Eq. 2
        return losses

    @property
    def _semantic_game(self) -> SemanticGame:
        """L_adv^sec between E, C_i and the critics, as they are wrapped at present."""
        real, generated = (self.critic_p, self.critic_p_low), None
        if self.critic_p_generated and self.critic_p_low_generated:
            generated = self.critic_p_generated, self.critic_p_low_generated
        return SemanticGame(self.config, self.adversarial, real, generated or real)

    def _translation_encoder(self) -> nn.Module:
        return self.translation_encoder or self.encoder

    def _source_decoder(self) -> nn.Module:
        return self.decoder_s or self.decoder_t

    def logits(self, x_t: Images) -> Logits:
        """Segment with E and C_1; no translation is needed."""
        logits: Logits = self.classifier(self.encoder(x_t))
        return logits

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Return x_st and x_ts."""
        images = self._translate(x_s, x_t)
        return {name: images[name] for name in ("x_st", "x_ts") if name in images}


def _weights(*networks: nn.Module | None) -> list[nn.Parameter]:
    return [weight for network in networks if network for weight in network.parameters()]
