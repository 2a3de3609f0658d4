"""The adversarial side of GLUA's second stage: D_1 on features, D_2 on class probabilities.

Su et al., "Mind The Gap", Sec. III.B. Everything here comes in pairs, of x_st and of x_t.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from CrossModalSegLib.core.tensors import FeatureMap, Losses, Probabilities, Scalar, Scores
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.methods.glua_config import GLUAConfig


@dataclass(frozen=True)
class LocalAlignment:
    """Both critics, as they are wrapped at present, and what is learnt from them.

    Attributes:
        critic_f: D_1, None where it is switched off.
        critic_p: D_2, None where it is switched off.
        config: GLUA's settings.
    """

    critic_f: nn.Module | None
    critic_p: nn.Module | None
    config: GLUAConfig

    @property
    def critics(self) -> list[nn.Module]:
        """Those of the two that there are."""
        return [critic for critic in (self.critic_f, self.critic_p) if critic]

    def fooling_losses(self, scores_t: Scores | None, p_t: Probabilities) -> Losses:
        """Make target features and predictions pass for those of x_st.

        Args:
            scores_t: D_1(f_t), None without D_1.
            p_t: Predictions from the reweighted features.
        """
        losses: Losses = {}
        if scores_t is not None:
            source_label = 0.0 if self.config.mask_polarity == "target" else 1.0
            losses["adv_d1"] = self._adversarial.towards(scores_t, source_label)
        if self.critic_p:
            losses["adv_d2"] = self._adversarial.generator(self.critic_p(p_t))
        return losses

    def objective(self, losses: Losses) -> Scalar:
        """Weigh the segmenter's losses: L_seg + lambda_d1 L_adv^D1 + lambda_d2 L_adv^D2."""
        weights = {"seg": 1.0, "adv_d1": self.config.lambda_d1, "adv_d2": self.config.lambda_d2}
        return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()

    def critic_losses(
        self, features: tuple[FeatureMap, FeatureMap], p: tuple[Probabilities, Probabilities]
    ) -> Losses:
        """Tell x_st, the first of each pair, from x_t, the second; no gradient leaves the critics.

        Args:
            features: f_st and f_t, both as the encoder gives them.
            p: Predictions.
        """
        losses: Losses = {}
        if self.critic_f:
            scores_st, scores_t = (self.critic_f(each.detach()) for each in features)
            one, zero = scores_t, scores_st
            if self.config.mask_polarity == "source":
                one, zero = scores_st, scores_t
            losses["critic_d1"] = self._adversarial.discriminator(real=one, fake=zero)
        if self.critic_p:
            scores_st, scores_t = (self.critic_p(each.detach()) for each in p)
            losses["critic_d2"] = self._adversarial.discriminator(real=scores_st, fake=scores_t)
        return losses

    @property
    def _adversarial(self) -> AdversarialLoss:
        return AdversarialLoss(self.config.adversarial)
