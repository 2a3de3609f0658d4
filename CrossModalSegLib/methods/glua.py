"""GLUA: global alignment by style transfer, then local alignment by a mask over features.

Z. Su, K. Yao, X. Yang, Q. Wang, Y. Yan, J. Sun, K. Huang, "Mind The Gap: Alleviating Local
Imbalance for Unsupervised Cross-Modality Medical Image Segmentation", IEEE JBHI 2023,
https://arxiv.org/abs/2205.11888

=================  ==================  ========================================================
Paper              Code                Meaning
=================  ==================  ========================================================
x_s, y_s, x_t      x_s, y_s, x_t       source slice, its label map, target slice
x_{s->t}           x_st                source content in target style, G_D(G_E(x_s, d_s), d_t)
d_i                SOURCE, TARGET      domain label, the input of the style MLPs
G_E, G_D           content_encoder,    style-transfer auto-encoder (Tables IV to VI)
                   style_decoder
D                  domain_critic       critic of images, one branch a domain (Table VII)
"CycleGAN"         generator_t, ...    the other style transfer of Table III
S_E, S_P           encoder,            DeepLab-ResNet50: features and
                   classifier          pixel classifier
f_t, f^_t          features            target features, as they are and reweighted
m                  mask                |D_1(f_t)|; tanh(m) is what `maps` returns
D_1, D_2           critic_f, critic_p  critics of features and of class probabilities
=================  ==================  ========================================================

Read into the paper, which leaves it open; each is a setting:

- "1 - log D" is log(1 - D); the losses are least squares, as in DAST, whose stage this is.
- D_1 gives raw scores, so m is not bounded by 1.
- *A departure from the printed equation*: D_1 scores the target 1 and the source 0. As printed
  (source 1, target 0), least squares pulls m to 0 exactly where D_1 recognises the target, which
  is where the gap is large; the text wants the mask large there. With cross-entropy the sign of
  the scores does not matter. D_2, which makes no mask, is as printed.
- Only target features and predictions are moved to fool D_1 and D_2, not those of x_st.
- The mask passes gradients on, through a frozen D_1.
- f_t are the last features of the encoder: what DeepLab's classifier sees, at an eighth of the
  slices' size. For the U-Net these are the coarsest ones: with four levels they are an eighth of
  the slices' size, too, and D_1 judges what the encoder understood rather than grey values, which
  the finest features still hold; finer levels reach the classifier unweighted.
- x_st and x_t share a batch and so share batch statistics. x_st is made anew of every batch.

Departures that only presets switch on: AdamW for the segmenter, changes of appearance, decay in
stage 1. StarGAN-v2 (Table III) is not there. Checked against: no released code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from CrossModalSegLib.core.tensors import (
    FeatureMap,
    Images,
    Labels,
    Logits,
    Losses,
    Scalar,
    Scores,
    UnpairedBatch,
)
from CrossModalSegLib.losses.segmentation import cross_entropy_dice
from CrossModalSegLib.methods.base import (
    Method,
    Stage,
    Update,
    detached,
    frozen,
    polynomial_decay,
)
from CrossModalSegLib.methods.cycle_translation import CycleTranslation
from CrossModalSegLib.methods.glua_alignment import LocalAlignment
from CrossModalSegLib.methods.glua_config import GLUAConfig
from CrossModalSegLib.methods.glua_translation import StyleTransfer
from CrossModalSegLib.networks.adain_translator import (
    ContentEncoder,
    DomainDiscriminator,
    StyleDecoder,
)
from CrossModalSegLib.networks.discriminators import PatchDiscriminator
from CrossModalSegLib.networks.pixel_discriminator import PixelDiscriminator


class GLUA(Method):
    """Style transfer to the target, then segmentation with features reweighted by their gap."""

    title = "GLUA"
    reference = "Su et al., IEEE JBHI 2023, https://arxiv.org/abs/2205.11888"
    config_class = GLUAConfig
    config: GLUAConfig

    def __init__(self, config: GLUAConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = config.backbone.encoder()
        self.classifier = config.backbone.classifier(config.num_classes)
        self.critic_f: nn.Module | None = None
        self.critic_p: nn.Module | None = None
        if config.feature_mask:
            self.critic_f = PixelDiscriminator(config.backbone.channels[-1])
        if config.output_adversarial:
            self.critic_p = PatchDiscriminator(
                config.num_classes, config.critic_width, normalised=False
            )
        if config.style_transfer == "adain":
            size = config.translator
            self.content_encoder = ContentEncoder(size.width, size.blocks, size.style_width)
            self.style_decoder = StyleDecoder(size.width, size.blocks, size.style_width)
            self.domain_critic = DomainDiscriminator(size.width)
        elif config.style_transfer == "cyclegan":
            cycle = config.cyclegan
            self.generator_t, self.generator_s = cycle.generator(), cycle.generator()
            self.critic_t, self.critic_s = cycle.critic(), cycle.critic()

    @property
    def deployed(self) -> tuple[str, ...]:
        """S_E, S_P and, since it makes the mask, D_1."""
        mask = ("critic_f",) if self.critic_f else ()
        return ("encoder", *mask, "classifier")

    def stages(self) -> tuple[Stage, ...]:
        """Return style transfer, unless it is switched off, and adaptation."""
        adapt = self._adaptation_stage()
        if self.config.style_transfer == "none":
            return (adapt,)
        return self._translation().stage(self.config.translation_iterations), adapt

    def _translation(self) -> StyleTransfer | CycleTranslation:
        """Return the translators, as they are wrapped at present."""
        config = self.config
        if config.style_transfer == "cyclegan":
            critics = self.critic_t, self.critic_s
            return CycleTranslation(self.generator_t, self.generator_s, *critics, config.cyclegan)
        return StyleTransfer(self.content_encoder, self.style_decoder, self.domain_critic, config)

    def _adaptation_stage(self) -> Stage:
        config, critics = self.config, self._alignment().critics
        optimizers = {"segment": self._segmenter_optimizer()}
        if critics:
            optimizers["critics"] = Adam(
                _weights(*critics), config.lr_critics, config.betas_critics
            )
        return Stage(
            name="adapt",
            iterations=config.iterations,
            optimizers=optimizers,
            schedules={
                name: polynomial_decay(optimizer, config.iterations, power=config.decay_power)
                for name, optimizer in optimizers.items()
            },
            step=self.adaptation_step if critics else self.segmentation_step,
        )

    def _segmenter_optimizer(self) -> Optimizer:
        config = self.config
        weights = _weights(self.encoder, self.classifier)
        rate, decay = config.lr_segment, config.weight_decay_segment
        if config.optimizer == "adamw":
            return AdamW(weights, rate, weight_decay=decay)
        return SGD(weights, rate, config.momentum, weight_decay=decay)

    def segmentation_step(self, batch: UnpairedBatch, update: Update) -> Losses:
        """Run one iteration of stage 2 without D_1 and D_2: x_st alone."""
        logits = self.classifier(self.encoder(self._training_source(batch)))
        seg = self._supervised(logits, batch.y_s)
        update("segment", seg)
        return detached(seg=seg)

    def adaptation_step(self, batch: UnpairedBatch, update: Update) -> Losses:
        """Run one iteration of stage 2: S_E and S_P, then D_1 and D_2."""
        x_st, x_t = self._training_source(batch), self.config.appearance_t(batch.x_t)
        sizes, alignment = [len(x_st), len(x_t)], self._alignment()
        with frozen(*alignment.critics):
            features = self.encoder(torch.cat([x_st, x_t]))
            f_st, f_t = features[-1].split(sizes)
            scores_t = self._feature_scores(f_t)
            masked = torch.cat([f_st, self._reweighted(f_t, scores_t)])  # target features only
            logits = self.classifier((*features[:-1], masked)).float()
            p_st, p_t = logits.softmax(dim=1).split(sizes)
            losses = {"seg": self._supervised(logits[: len(x_st)], batch.y_s)}
            losses |= alignment.fooling_losses(scores_t, p_t)
            update("segment", alignment.objective(losses))

        critics = alignment.critic_losses((f_st, f_t), (p_st, p_t))
        update("critics", torch.stack([*critics.values()]).sum())
        return detached(**losses, **critics)

    def _training_source(self, batch: UnpairedBatch) -> Images:
        """Return x_st from the finished translator, its appearance changed if so set."""
        with torch.no_grad():
            x_st = self._to_target(batch.x_s)
        return self.config.appearance(x_st)

    def _to_target(self, x_s: Images) -> Images:
        if self.config.style_transfer == "none":
            return x_s
        translation = self._translation()
        if isinstance(translation, CycleTranslation):
            x_st: Images = translation.generator_t(x_s)
            return x_st
        return translation.to_target(x_s)

    def _supervised(self, logits: Logits, y_s: Labels) -> Scalar:
        return cross_entropy_dice(logits, y_s, class_weights=self.config.class_weights)

    def _feature_scores(self, f_t: FeatureMap) -> Scores | None:
        return self.critic_f(f_t) if self.critic_f else None

    def _reweighted(self, f_t: FeatureMap, scores_t: Scores | None) -> FeatureMap:
        """Return f^_t = f_t + f_t * tanh(|D_1(f_t)|), Sec. III.A.2."""
        if scores_t is None:
            return f_t
        mask = scores_t.detach() if self.config.mask_detached else scores_t
        return f_t + f_t * mask.abs().tanh()

    def _alignment(self) -> LocalAlignment:
        return LocalAlignment(self.critic_f, self.critic_p, self.config)

    def logits(self, x_t: Images) -> Logits:
        """Segment with S_E, the feature mask of D_1 and S_P; no translation is needed."""
        features = self.encoder(x_t)
        masked = self._reweighted(features[-1], self._feature_scores(features[-1]))
        logits: Logits = self.classifier((*features[:-1], masked))
        return logits

    def learned_view(self, x_s: Images) -> Images:
        """Return x_st: the segmenter never learns x_s itself."""
        return self._to_target(x_s)

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Return x_st and x_ts."""
        if self.config.style_transfer == "none":
            return {}
        return self._translation().translate(x_s, x_t)

    def maps(self, x_t: Images) -> dict[str, Images]:
        """Return Fig. 6's map: tanh(m) in [0, 1), interpolated to the slices' size."""
        scores_t = self._feature_scores(self.encoder(x_t)[-1])
        if scores_t is None:
            return {}
        mask = scores_t.float().abs().tanh()
        size = x_t.shape[2:]
        return {"feature_mask": F.interpolate(mask, size, mode="bilinear", align_corners=False)}


def _weights(*networks: nn.Module) -> list[nn.Parameter]:
    return [weight for network in networks for weight in network.parameters()]
