"""Settings of DSAN, each with its place in the paper or our reading of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from CrossModalSegLib.core.errors import ConfigError
from CrossModalSegLib.data.augmentation import AppearanceAugmentation
from CrossModalSegLib.losses.gan import AdversarialKind
from CrossModalSegLib.losses.segmentation import ClassWeights
from CrossModalSegLib.methods.base import MethodConfig
from CrossModalSegLib.networks.backbones import PAPER_BACKBONE, Backbone


@dataclass(frozen=True, kw_only=True)
class DSANConfig(MethodConfig):
    """Settings of DSAN. Defaults are the paper's, at the place named, or our reading of it."""

    ranges: ClassVar[Mapping[str, tuple[float | None, float | None]]] = {
        "warm_up_iterations": (0, None)
    }

    iterations: int = 20_000
    """Sec. IV.A.2: 2e4 for the cardiac data, 6e4 for BraTS."""
    backbone: Backbone = PAPER_BACKBONE
    """Sec. III.D."""
    critic_width: int = 64
    """Channels of a critic's first convolution; not given."""

    lambda_rec: float = 1.0
    """Weight of L_rec, Eqs. 5 and 6 (Sec. III.A.2)."""
    lambda_adv: float = 0.01
    """Weight of L_adv, Eqs. 5 and 6 (Sec. III.A.2)."""
    lambda_gen: float = 1.0
    """Weight of L_gen, Eq. 12."""
    lambda_seg: float = 1.0
    """Weight of L_seg, Eq. 12."""
    lambda_secadv: float = 0.1
    """Weight of L_adv^sec, Eq. 12."""
    lambda_low: float = 0.1
    """Weight of the lower level C_2, D_p2; not given, SIFA's value."""

    adversarial: AdversarialKind = "least_squares"
    """Form of the adversarial losses; Eqs. 1, 2, 9 and 10 are the cross-entropy form."""
    class_weights: ClassWeights = "inverse_frequency"
    """Definition of the "weighted" cross-entropy of Eqs. 7 and 8; not given."""
    critic_p_input: Literal["probabilities", "logits"] = "probabilities"
    """What D_p sees; not given."""
    critic_p_normalised: bool = True
    """Whether D_p normalises like D_s and D_t: all have "the same architecture" (Sec. III.D).
    Without, it sees how much of each class there is."""
    segmentation_reaches_decoders: bool = False
    """Whether gradients of Eqs. 8 and 10 reach U_s and U_t; SIFA: no, SynSeg-Net: yes."""

    lr_segment: float = 2e-4
    """Adam rate of E, C_1, C_2 (Sec. IV.A.2); also of the second encoder of Table V."""
    lr_decoders: float = 1e-3
    """Adam rate of U_s, U_t (Sec. IV.A.2)."""
    lr_image_critics: float = 1e-4
    """Adam rate of D_s, D_t (Sec. IV.A.2)."""
    lr_semantic_critics: float = 5e-5
    """Adam rate of D_p1, D_p2 (Sec. IV.A.2)."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's; not given."""
    decay_power: float = 0.0
    """Power of the polynomial decay over the second half; 0: none (the paper names none)."""

    target_generation: bool = True
    """Table IV: L_gen^t (U_t, D_t)."""
    translated_segmentation: bool = True
    """Table IV: L_seg^{s->t}."""
    source_generation: bool = True
    """Table IV: L_gen^s (U_s, D_s)."""
    source_segmentation: bool = True
    """Table IV: L_seg^s."""
    semantic_adversarial: bool = True
    """Table IV: L_adv^sec."""

    shared_decoders: bool = False
    """Table V: one decoder for both domains."""
    shared_encoder: bool = True
    """Table V, False: translation has an encoder of its own."""
    shared_critics: bool = True
    """Table V, False: D_p for real images, others for generated images."""

    warm_up_iterations: int = 0
    """Ours: iterations before L_adv^sec sets in; 0 in the paper."""
    appearance: AppearanceAugmentation = field(default_factory=AppearanceAugmentation)
    """Ours: change of x_s and x_st before they are segmented (not before translation)."""

    def __post_init__(self) -> None:
        """Refuse rows that Table IV cannot have.

        Raises:
            ConfigError: Nothing teaches the classifiers, or x_st is to be segmented and nothing
                teaches the decoder that makes it; or see `MethodConfig`.
        """
        super().__post_init__()
        if not (self.source_segmentation or self.translated_segmentation):
            raise ConfigError(
                "source_segmentation and translated_segmentation are both off, expected at least "
                "one: nothing else teaches the classifiers."
            )
        if self.translated_segmentation and not self.target_generation:
            raise ConfigError(
                "translated_segmentation is on and target_generation is off.",
                hint="Turn both off, or both on: without L_gen^t there are no translated slices.",
            )
        if self.warm_up_iterations < 0:
            raise ConfigError(
                f"warm_up_iterations is {self.warm_up_iterations}, expected 0 or more."
            )
