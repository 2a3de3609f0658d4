"""Cycle-consistent translation both ways: BiGL's first stage and GLUA's "CycleGAN".

J.-Y. Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, https://arxiv.org/abs/1703.10593. Its A and B are source and target here:
G is generator_t, F is generator_s, D_Y is critic_t, D_X is critic_s.

Departures: critics judge the generators' latest images, not those of a pool of 50, and they are
`PatchDiscriminator`s of four layers; a step takes a batch, not one image; identity is off.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam, Optimizer

from CrossModalSegLib.core.tensors import Images, Losses, Scalar, UnpairedBatch
from CrossModalSegLib.losses.gan import AdversarialKind, AdversarialLoss
from CrossModalSegLib.methods.base import Stage, Update, detached, frozen, polynomial_decay
from CrossModalSegLib.networks.discriminators import PatchDiscriminator
from CrossModalSegLib.networks.translators import Translator


@dataclass(frozen=True, kw_only=True)
class CycleTranslationConfig:
    """Settings of the translation. Defaults are CycleGAN's (Zhu et al.), at the place named."""

    translator: Translator = field(default_factory=Translator)
    """Both generators (appendix 7.2)."""
    critic_width: int = 64
    """Channels of a critic's first convolution (appendix 7.2)."""

    lambda_adv: float = 1.0
    """Weight of the adversarial losses (Eq. 3)."""
    lambda_cyc: float = 10.0
    """Weight of the cycle loss, i -> j -> i (Sec. 4)."""
    lambda_idt: float = 0.0
    """Weight of the identity loss; 5 in Sec. 5.2, for paintings alone."""
    lambda_paired: float = 0.0
    """Weight of |x_t - x_st| and |x_s - x_ts| (BiGL, Eq. 1). Only for co-registered slices of one
    subject that are drawn together, and then no longer unsupervised: it uses what unpaired data
    does not have. On unrelated slices, as our sampler draws them, it pulls towards their mean."""

    adversarial: AdversarialKind = "least_squares"
    """Form of the adversarial losses (Sec. 4)."""
    lr_generators: float = 2e-4
    """Adam rate of both generators (Sec. 4)."""
    lr_critics: float = 2e-4
    """Adam rate of both critics (Sec. 4)."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's (the authors' code)."""
    decay_power: float = 1.0
    """Power of the polynomial decay over the second half; 1: linear (Sec. 4), 0: none."""

    def generator(self) -> nn.Module:
        """Build one of the two generators."""
        return self.translator.network()

    def critic(self) -> nn.Module:
        """Build one of the two critics of images."""
        return PatchDiscriminator(1, self.critic_width)


@dataclass(frozen=True)
class CycleTranslation:
    """The four networks, as they are wrapped at present, and how they learn.

    Attributes:
        generator_t: Source to target, makes x_st.
        generator_s: Target to source, makes x_ts.
        critic_t: Tells x_t from x_st.
        critic_s: Tells x_s from x_ts.
        config: Weights and rates.
    """

    generator_t: nn.Module
    generator_s: nn.Module
    critic_t: nn.Module
    critic_s: nn.Module
    config: CycleTranslationConfig

    def stage(self, iterations: int) -> Stage:
        """Return a stage "translate" with fresh optimizers."""
        optimizers = {
            "generators": self.generator_optimizer(),
            "image_critics": self.critic_optimizer(),
        }
        power = self.config.decay_power
        return Stage(
            name="translate",
            iterations=iterations,
            optimizers=optimizers,
            schedules={
                name: polynomial_decay(optimizer, iterations, power=power, hold_fraction=0.5)
                for name, optimizer in optimizers.items()
            },
            step=self.step,
        )

    def generator_optimizer(self) -> Optimizer:
        """Return one Adam over both generators."""
        weights = [*self.generator_t.parameters(), *self.generator_s.parameters()]
        return Adam(weights, self.config.lr_generators, self.config.betas)

    def critic_optimizer(self) -> Optimizer:
        """Return one Adam over both critics."""
        weights = [*self.critic_t.parameters(), *self.critic_s.parameters()]
        return Adam(weights, self.config.lr_critics, self.config.betas)

    def step(self, batch: UnpairedBatch, update: Update) -> Losses:
        """Run one iteration: both generators together, then both critics together."""
        losses, images = self.generator_losses(batch)
        update("generators", self.objective(losses))
        critics = self.critic_losses(batch, images)
        update("image_critics", torch.stack([*critics.values()]).sum())
        return detached(**losses, **critics)

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Return x_st and x_ts."""
        return {"x_st": self.generator_t(x_s), "x_ts": self.generator_s(x_t)}

    def generator_losses(self, batch: UnpairedBatch) -> tuple[Losses, dict[str, Images]]:
        """Return the generators' unweighted losses, and x_st and x_ts with their graphs.

        No gradient of these losses reaches the critics' weights.
        """
        config, fool = self.config, AdversarialLoss(self.config.adversarial).generator
        images = self.translate(batch.x_s, batch.x_t)
        x_st, x_ts = images["x_st"], images["x_ts"]
        with frozen(self.critic_t, self.critic_s):
            losses = {
                "adv_t": fool(self.critic_t(x_st)),  # Eq. 1
                "adv_s": fool(self.critic_s(x_ts)),
            }
        if config.lambda_cyc:  # Eq. 2
            losses["cyc_s"] = F.l1_loss(self.generator_s(x_st), batch.x_s)
            losses["cyc_t"] = F.l1_loss(self.generator_t(x_ts), batch.x_t)
        if config.lambda_idt:  # Sec. 5.2
            losses["idt_t"] = F.l1_loss(self.generator_t(batch.x_t), batch.x_t)
            losses["idt_s"] = F.l1_loss(self.generator_s(batch.x_s), batch.x_s)
        if config.lambda_paired:  # BiGL, Eq. 1
            losses["paired_t"] = F.l1_loss(x_st, batch.x_t)
            losses["paired_s"] = F.l1_loss(x_ts, batch.x_s)
        return losses, images

    def objective(self, losses: Losses) -> Scalar:
        """Weigh the losses of `generator_losses`."""
        config = self.config
        weights = {
            "adv": config.lambda_adv,
            "cyc": config.lambda_cyc,
            "idt": config.lambda_idt,
            "paired": config.lambda_paired,
        }
        terms = [weights[name.partition("_")[0]] * loss for name, loss in losses.items()]
        return torch.stack(terms).sum()

    def critic_losses(self, batch: UnpairedBatch, images: dict[str, Images]) -> Losses:
        """Return what makes the critics tell real images from `images`, which pass no gradient."""
        tell_apart = AdversarialLoss(self.config.adversarial).discriminator
        fake_t, fake_s = images["x_st"].detach(), images["x_ts"].detach()
        return {
            "critic_t": tell_apart(real=self.critic_t(batch.x_t), fake=self.critic_t(fake_t)),
            "critic_s": tell_apart(real=self.critic_s(batch.x_s), fake=self.critic_s(fake_s)),
        }
