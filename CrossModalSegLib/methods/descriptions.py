"""What each method does, in a paragraph for those who choose one."""

from __future__ import annotations

from collections.abc import Mapping

DESCRIPTIONS: Mapping[str, str] = {
    "source_only": (
        "Learns to segment labelled source slices and is used on the target as it is. No "
        "adaptation: the lower bound of every table."
    ),
    "source_only_augmented": (
        "Source only, with random changes of the slices' appearance: brightness, contrast, "
        "shading, noise, blur and arbitrary remapping of intensities. No target image is seen. "
        "Compare adaptation methods with this row to see what adaptation adds to augmentation."
    ),
    "supervised": (
        "Learns from labelled target slices: the upper bound of every table, and no adaptation. "
        "Give the labelled target cohort as source. Cohorts of several modalities enter as "
        "channels."
    ),
    "bigl": (
        "Learns to translate slices both ways between the domains (cycle-consistent), then fixes "
        "the translators and trains one dual-attention U-Net on real and translated slices of "
        "both domains: supervised on the labelled pair, consistent on the unlabelled pair, and "
        "aligned by critics of features, of position attention and of channel attention. Made "
        "for brain tumours, which have no fixed shape."
    ),
    "dsan": (
        "Translates both ways with two decoders around the encoder that also segments, so that "
        "its features have to suit both domains, and segments real and translated slices of both "
        "domains: supervised where there are labels, aligned by critics of the predictions of two "
        "levels everywhere. All of it is trained at once; prediction needs the encoder and one "
        "classifier."
    ),
    "glua": (
        "Renders source slices in the style of the target by an auto-encoder whose normalisation "
        "(AdaIN) depends on the domain, then segments them together with target slices. A critic "
        "of the features makes a mask of where the domains still differ, and target features are "
        "amplified there; a second critic aligns the predictions. The mask is part of the "
        "prediction and can be looked at."
    ),
}
"""Method -> paragraph."""
