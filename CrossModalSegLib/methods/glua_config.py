"""Settings of GLUA, each with its place in the paper or our reading of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.data.augmentation import AppearanceAugmentation
from CrossModalSegLib.losses.gan import AdversarialKind
from CrossModalSegLib.losses.segmentation import ClassWeights
from CrossModalSegLib.methods.base import MethodConfig
from CrossModalSegLib.methods.cycle_translation import CycleTranslationConfig
from CrossModalSegLib.networks.backbones import PAPER_BACKBONE, Backbone

StyleTransfer = Literal["adain", "cyclegan", "none"]


@dataclass(frozen=True, kw_only=True)
class StyleTransferSize:
    """Size of the style-transfer networks. Defaults are those of Tables IV to VII."""

    width: int = 64
    """Channels at full resolution of G_E and G_D, and of D's first convolution."""
    blocks: int = 4
    """Residual blocks of G_E and of G_D."""
    style_width: int = 256
    """Hidden units of the MLP."""

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ConfigError: A size is out of range.
        """
        for name, (least, most) in _SIZE_RANGES.items():
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"translator.{name} is {getattr(self, name)}, expected {least} to {most}."
                )


_SIZE_RANGES = {"width": (1, 1024), "blocks": (1, 64), "style_width": (1, 4096)}
"""Sizes beyond these are a mistake, or an attack on the memory by a foreign bundle."""


@dataclass(frozen=True, kw_only=True)
class GLUAConfig(MethodConfig):
    """Settings of GLUA. Defaults are the paper's, at the place named, or our reading of it."""

    iterations: int = 20_000
    """Of stage "adapt"; not given."""
    translation_iterations: int = 50_000
    """Of stage "translate" (Sec. IV.A.1)."""
    backbone: Backbone = PAPER_BACKBONE
    """Sec. III.A.2: DeepLab-ResNet50, "trained from scratch" (Sec. IV.A.1)."""
    translator: StyleTransferSize = field(default_factory=StyleTransferSize)
    """Tables IV to VII."""
    cyclegan: CycleTranslationConfig = field(default_factory=CycleTranslationConfig)
    """Table III: the translators that style_transfer = "cyclegan" has instead, CycleGAN's own."""
    critic_width: int = 64
    """Channels of D_2's first convolution; not given."""

    lambda_rec_im: float = 20.0
    """Weight of L_rec_im (Sec. IV.A.1)."""
    lambda_cyc: float = 20.0
    """Weight of L_cyc (Sec. IV.A.1)."""
    lambda_rec_c: float = 1.0
    """Weight of L_rec_c (Sec. IV.A.1)."""
    lambda_adv: float = 1.0
    """Weight of L_adv (Sec. IV.A.1)."""
    lambda_d1: float = 0.01
    """Weight of L_adv^D1 (Sec. IV.A.1)."""
    lambda_d2: float = 0.01
    """Weight of L_adv^D2 (Sec. IV.A.1)."""

    style_transfer: StyleTransfer = "adain"
    """Table III: "Style-Transfer" (adain), "CycleGAN", or neither."""
    feature_mask: bool = True
    """Table III, "D1": the feature mask and L_adv^D1."""
    output_adversarial: bool = True
    """Table III, "D2": L_adv^D2."""

    adversarial: AdversarialKind = "least_squares"
    """Form of the adversarial losses; the printed equations are the cross-entropy form."""
    mask_polarity: Literal["target", "source"] = "target"
    """Which domain D_1 scores with 1; the printed equation says source (see `methods/glua.py`)."""
    mask_detached: bool = False
    """Whether the mask is a constant to the segmenter; not given, DAST's code: no."""
    class_weights: ClassWeights = "none"
    """Sec. III.B: "multi-class cross-entropy and the Dice loss"."""

    lr_translate: float = 2e-4
    """Adam rate of G_E, G_D and D (Sec. IV.A.1)."""
    weight_decay_translate: float = 1e-4
    """Of the same (Sec. IV.A.1)."""
    betas_translate: tuple[float, float] = (0.5, 0.999)
    """Of the same; not given, CycleGAN's."""
    decay_power_translate: float = 0.0
    """Power of the polynomial decay over the second half of stage 1; 0: none (none is named)."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Of the segmenter (Sec. IV.A.1: SGD); the small U-Net trains better with AdamW."""
    lr_segment: float = 2.5e-4
    """Rate of the segmenter; not given, DAST's and AdaptSegNet's."""
    momentum: float = 0.9
    """Of SGD (Sec. IV.A.1)."""
    weight_decay_segment: float = 5e-4
    """Of the segmenter (Sec. IV.A.1)."""
    lr_critics: float = 1e-4
    """Adam rate of D_1 and D_2; not given, DAST's and AdaptSegNet's."""
    betas_critics: tuple[float, float] = (0.9, 0.99)
    """Of the same (Sec. IV.A.1)."""
    decay_power: float = 0.9
    """Power of the polynomial decay of all rates of stage 2 (Sec. IV.A.1)."""

    appearance: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Ours: change of x_st before it is segmented."""
    appearance_t: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Ours: change of x_t before it is segmented in training."""
