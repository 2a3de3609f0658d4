"""GLUA's first stage: one auto-encoder that renders the content of images in either domain's style.

Su et al., "Mind The Gap", Sec. III.B and appendix. i and j are the two domains: every loss is the
mean over source images (i = s, j = t) and target images (i = t, j = s).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import Adam, Optimizer

from CrossModalSegLib.core.tensors import Images, Losses, UnpairedBatch
from CrossModalSegLib.losses.gan import AdversarialLoss
from CrossModalSegLib.methods.base import (
    Stage,
    Update,
    detached,
    frozen,
    polynomial_decay,
)
from CrossModalSegLib.methods.glua_config import GLUAConfig
from CrossModalSegLib.networks.adain_translator import SOURCE, TARGET, Domains


@dataclass(frozen=True)
class StyleTransfer:
    """The networks of stage 1 and how they learn.

    Attributes:
        encoder: G_E, a `ContentEncoder`.
        decoder: G_D, a `StyleDecoder`.
        critic: D, a `DomainDiscriminator`.
        config: GLUA's settings.
    """

    encoder: nn.Module
    decoder: nn.Module
    critic: nn.Module
    config: GLUAConfig

    def to_target(self, x_s: Images) -> Images:
        """Return x_st."""
        return self._render(x_s, origin=SOURCE, style=TARGET)

    def translate(self, x_s: Images, x_t: Images) -> dict[str, Images]:
        """Return x_st and x_ts."""
        return {
            "x_st": self.to_target(x_s),
            "x_ts": self._render(x_t, origin=TARGET, style=SOURCE),
        }

    def _render(self, images: Images, *, origin: int, style: int) -> Images:
        """Return G_D(G_E(x, d_origin), d_style)."""
        content = self.encoder(images, _label(images, origin))
        rendered: Images = self.decoder(content, _label(images, style))
        return rendered

    def stage(self, iterations: int) -> Stage:
        """Return a stage "translate" with fresh optimizers."""
        config = self.config

        def adam(*networks: nn.Module) -> Optimizer:
            return Adam(
                [weight for network in networks for weight in network.parameters()],
                config.lr_translate,
                config.betas_translate,
                weight_decay=config.weight_decay_translate,
            )

        optimizers = {
            "translate": adam(self.encoder, self.decoder),
            "domain_critic": adam(self.critic),
        }
        power = config.decay_power_translate
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

    def step(self, batch: UnpairedBatch, update: Update) -> Losses:
        """Run one iteration of stage 1: G_E and G_D, then D."""
        config, adversarial = self.config, AdversarialLoss(self.config.adversarial)
        x_i, d_i, d_j = _both_domains(batch)
        with frozen(self.critic):
            losses, x_ij = self._rendering_losses(x_i, d_i, d_j)
            losses["adv"] = adversarial.generator(self.critic(x_ij, d_j))
            objective = (
                config.lambda_rec_im * losses["rec_im"]
                + config.lambda_rec_c * losses["rec_c"]
                + config.lambda_cyc * losses["cyc"]
                + config.lambda_adv * losses["adv"]
            )
            update("translate", objective)

        real, fake = self.critic(x_i, d_i), self.critic(x_ij.detach(), d_j)
        critic = adversarial.discriminator(real=real, fake=fake)
        update("domain_critic", critic)
        return detached(**losses, domain_critic=critic)

    def _rendering_losses(self, x_i: Images, d_i: Domains, d_j: Domains) -> tuple[Losses, Images]:
        """Return the losses of images and of content, and x_ij."""
        c_i = self.encoder(x_i, d_i)
        x_ii, x_ij = self.decoder(torch.cat([c_i, c_i]), torch.cat([d_i, d_j])).chunk(2)
        c_ij = self.encoder(x_ij, d_j)
        x_iji = self.decoder(c_ij, d_i)
        losses = {
            "rec_im": F.l1_loss(x_ii, x_i),
            "rec_c": F.l1_loss(c_ij, c_i),
            "cyc": F.l1_loss(x_iji, x_i),
        }
        return losses, x_ij


def _both_domains(batch: UnpairedBatch) -> tuple[Images, Domains, Domains]:
    """Return the images of both domains, each one's own domain and the other one."""
    d_i = torch.cat([_label(batch.x_s, SOURCE), _label(batch.x_t, TARGET)])
    return torch.cat([batch.x_s, batch.x_t]), d_i, SOURCE + TARGET - d_i


def _label(images: Images, domain: int) -> Domains:
    return torch.full((len(images),), domain, dtype=torch.long, device=images.device)
