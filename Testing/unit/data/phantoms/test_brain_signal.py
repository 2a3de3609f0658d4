"""Signals of spin echo and inversion recovery, and the contrasts that follow."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from CrossModalSegLib.data.phantoms.brain_signal import (
    MATERIALS,
    SEQUENCES,
    BrainModality,
    Material,
    Relaxation,
    Sequence,
    draw_materials,
    draw_sequence,
    signals_of,
)

TISSUES = (Material.CSF, Material.GM, Material.NCR, Material.ED, Material.ET)

LABELLED_GLIOMA: dict[BrainModality, tuple[float, ...]] = {
    "t1": (0.58, 0.86, 0.81, 0.88, 0.88),
    "t1ce": (0.37, 0.79, 0.64, 0.81, 1.37),
    "t2": (2.49, 1.24, 2.85, 1.79, 1.88),
    "flair": (0.32, 0.99, 1.53, 1.56, 1.54),
}
"""Signal of `TISSUES` relative to white matter, measured on one case."""

ORDER: dict[BrainModality, tuple[tuple[Material, ...], ...]] = {
    "t1": (
        (Material.CSF,),
        (Material.NCR,),
        (Material.GM, Material.ED, Material.ET),
        (Material.WM,),
    ),
    "t1ce": (
        (Material.CSF,),
        (Material.NCR,),
        (Material.GM, Material.ED),
        (Material.WM,),
        (Material.ET,),
    ),
    "t2": (
        (Material.WM,),
        (Material.GM,),
        (Material.ED, Material.ET),
        (Material.CSF,),
        (Material.NCR,),
    ),
    "flair": (
        (Material.CSF,),
        (Material.GM, Material.WM),
        (Material.NCR, Material.ED, Material.ET),
    ),
}
"""From dark to bright; tissues that stand together are nearly alike."""


def bloch(tissue: Relaxation, sequence: Sequence, step_ms: float = 0.05) -> float:
    """Integrate the longitudinal magnetisation over repetitions until it is steady, by Euler.

    A second implementation: pulses tip it, relaxation brings it back.
    """
    along = tissue.density
    inversion = sequence.inversion_ms

    def relaxed(value: float, milliseconds: float) -> float:
        for _ in range(round(milliseconds / step_ms)):
            value += step_ms * (tissue.density - value) / tissue.t1_ms
        return value

    read = 0.0
    for _ in range(4):
        if inversion is not None:
            along = relaxed(-along, inversion)
        read = along
        along = 0.0  # the excitation tips all of it
        along = relaxed(along, sequence.repetition_ms - (inversion or 0.0))
    return float(read * np.exp(-sequence.echo_ms / tissue.t2_ms))


def _mean_ratios(modality: BrainModality, count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.array(
        [
            signals_of(draw_materials(rng), modality, draw_sequence(modality, rng))
            for _ in range(count)
        ]
    )


def test_spin_echo_by_hand() -> None:
    tissue = Relaxation(density=0.8, t1_ms=1000, t2_ms=100)
    signal = Sequence(repetition_ms=1000, echo_ms=100).signal(tissue)
    assert signal == pytest.approx(0.8 * (1 - 1 / np.e) / np.e)


def test_inversion_recovery_nulls_fluid_at_its_null_time_and_is_negative_before() -> None:
    fluid = Relaxation(density=1.0, t1_ms=4000, t2_ms=2000)
    endless = 1e6
    null = Sequence(repetition_ms=endless, echo_ms=0, inversion_ms=4000 * np.log(2))
    early = Sequence(repetition_ms=endless, echo_ms=0, inversion_ms=0)
    assert null.signal(fluid) == pytest.approx(0, abs=1e-9)
    assert early.signal(fluid) == pytest.approx(-1)


@pytest.mark.parametrize(
    "sequence",
    [
        Sequence(repetition_ms=600, echo_ms=12),
        Sequence(repetition_ms=3000, echo_ms=2400, inversion_ms=1500),
    ],
    ids=["spin echo", "inversion recovery"],
)
def test_signals_agree_with_the_integrated_magnetisation(sequence: Sequence) -> None:
    tissue = Relaxation(density=0.9, t1_ms=900, t2_ms=1500)
    assert sequence.signal(tissue) == pytest.approx(bloch(tissue, sequence), rel=2e-3)


def test_gadolinium_adds_to_the_rates() -> None:
    enhanced = Relaxation(density=1.0, t1_ms=1000, t2_ms=100, agent_mm=0.2).enhanced()
    assert 1000 / enhanced.t1_ms == pytest.approx(1.0 + 4.5 * 0.2)
    assert 1000 / enhanced.t2_ms == pytest.approx(10.0 + 5.5 * 0.2)
    assert enhanced.agent_mm == 0


def test_only_what_gathers_the_agent_looks_different_after_it() -> None:
    sequence = Sequence(repetition_ms=500, echo_ms=10)
    before = signals_of(MATERIALS, "t1", sequence)
    after = signals_of(MATERIALS, "t1ce", sequence)
    changed = {material for material in Material if before[material] != after[material]}
    assert changed == {Material.ET, Material.VESSEL}
    assert after[Material.ET] > 1.3 * before[Material.ET]


@pytest.mark.parametrize("modality", get_args(BrainModality))
def test_contrasts_to_white_matter_are_those_of_a_labelled_glioma(modality: BrainModality) -> None:
    means = _mean_ratios(modality).mean(axis=0)
    assert means[Material.WM] == 1
    for tissue, expected in zip(TISSUES, LABELLED_GLIOMA[modality], strict=True):
        assert means[tissue] == pytest.approx(expected, rel=0.15, abs=0.08), tissue.name


@pytest.mark.parametrize("modality", get_args(BrainModality))
def test_the_order_of_contrasts_holds_on_average_and_in_nearly_every_subject(
    modality: BrainModality,
) -> None:
    ratios = _mean_ratios(modality)
    means = ratios.mean(axis=0)
    for darker, brighter in pairwise(ORDER[modality]):
        assert max(means[m] for m in darker) < min(means[m] for m in brighter)
        gap = ratios[:, list(brighter)].min(axis=1) - ratios[:, list(darker)].max(axis=1)
        assert (gap > 0).mean() > 0.8, (darker, brighter)


@pytest.mark.parametrize("modality", get_args(BrainModality))
def test_protocols_stay_within_their_limits(modality: BrainModality) -> None:
    sequence = draw_sequence(modality, np.random.default_rng(1))
    for name, (low, high) in SEQUENCES[modality].items():
        assert low <= getattr(sequence, name) <= high
    assert (sequence.inversion_ms is None) == (modality != "flair")
