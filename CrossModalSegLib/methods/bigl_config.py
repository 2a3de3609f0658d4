"""Settings of BiGL, each with its place in the paper or our reading of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.data.augmentation import AppearanceAugmentation
from CrossModalSegLib.losses.consistency import OutputDistance
from CrossModalSegLib.losses.gan import AdversarialKind
from CrossModalSegLib.methods.base import MethodConfig
from CrossModalSegLib.methods.cycle_translation import CycleTranslationConfig
from CrossModalSegLib.networks.backbones import Backbone

PAPER_UNET = Backbone(name="unet", width=64, levels=5)
"""The U-Net's own widths (Ronneberger et al. 2015), but for 512 channels at the coarsest level."""


@dataclass(frozen=True, kw_only=True)
class BiGLConfig(MethodConfig):
    """Settings of BiGL. Defaults are the paper's, at the place named, or our reading of it."""

    iterations: int = 1_360_200
    """Of stage "adapt": 150 epochs (Sec. 3.6); see the preset `paper_brain_tumour`."""
    translation_iterations: int = 1_360_200
    """Of stage "translate"; not given, the same."""
    backbone: Backbone = PAPER_UNET
    """Of the dual-attention network (Sec. 3.3: a U-Net); its width and depth are not given."""
    translation: CycleTranslationConfig = field(default_factory=CycleTranslationConfig)
    """The bidirectional translator (Sec. 3.2); not given, CycleGAN's."""
    critic_width: int = 64
    """Channels of the first convolution of the attention critics; not given."""

    lambda_out: float = 0.001
    """Weight of L_consis^output, Eq. 10 (Sec. 3.5)."""
    lambda_gtl: float = 0.1
    """Weight of the feature, position and channel terms, Eq. 10 (Sec. 3.5; Table 5)."""
    lambda_syn: float = 0.01
    """Weight of L^G, Eq. 10 (Sec. 3.5); only for joint training."""

    output_consistency: bool = True
    """Tables 3 and 4, "output"."""
    feature_consistency: bool = True
    """Tables 3 and 4, "feature"."""
    attention_consistency: bool = True
    """Tables 3 and 4, "attention": of places and of channels."""
    joint: bool = False
    """Whether translators and segmenter learn together; possible but not done (Sec. 3.6)."""

    adversarial: AdversarialKind = "cross_entropy"
    """Form of the adversarial losses of features and attention (Eqs. 6 to 9)."""
    output_distance: OutputDistance = "norm"
    """Distance of two predictions (Eq. 5)."""
    attention_critics_see_multiples: bool = True
    """Whether critics see maps times their width, so that even attention is 1; not given. As they
    are, weights such as 1 / 225 drown in the critics' normalisation."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """Of the segmenter; not given. Joint training needs AdamW."""
    lr_segment: float = 5e-3
    """Rate of the segmenter (Sec. 3.6)."""
    momentum: float = 0.9
    """Of SGD; not given, DANet's."""
    weight_decay: float = 1e-4
    """Of the segmenter; not given, DANet's."""
    decay_power: float = 0.75
    """Power of the polynomial decay of the segmenter's rate (Sec. 3.6)."""
    lr_critics: float = 5e-5
    """Adam rate of the critics of features and attention, constant (Sec. 3.6)."""
    betas_critics: tuple[float, float] = (0.9, 0.999)
    """Of the same; not given."""

    warm_up_iterations: int = 0
    """Ours: iterations of the labelled pair alone, before all consistency; 0 in the paper."""
    appearance: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Ours: change of x_s and x_st before they are segmented (not before translation)."""
    appearance_t: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Ours: change of x_t and x_ts before they are segmented in training."""

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            ConfigError: Joint training with SGD, or a length that no stage has; or see
                `MethodConfig`.
        """
        super().__post_init__()
        if self.translation_iterations < 1 or self.warm_up_iterations < 0:
            raise ConfigError(
                f"translation_iterations is {self.translation_iterations} and warm_up_iterations "
                f"is {self.warm_up_iterations}, expected at least 1 and at least 0."
            )
        if self.joint and self.optimizer == "sgd":
            raise ConfigError(
                "joint is on and optimizer is 'sgd', expected 'adamw': segmenter and translators "
                "share one optimizer then, and translators do not learn by SGD at their rate.",
                hint="Set optimizer to 'adamw' and lr_segment to a rate that suits it.",
            )

    @property
    def has_consistency(self) -> bool:
        """Whether any loss looks at target images."""
        return self.output_consistency or self.feature_consistency or self.attention_consistency
