"""Model card and licence."""

from __future__ import annotations

from dataclasses import replace

from CrossModalSegLib.bundle.model_card import licence_text, model_card
from CrossModalSegLib.bundle.schema import BundleConfig


def test_the_card_says_what_users_must_know(config: BundleConfig) -> None:
    card = model_card(config)
    assert card.startswith("# Cardiac on bSSFP MR, tiny\n\n**Research use only.")
    assert "| For images of | bSSFP MR |" in card
    assert "Means over 2 cases of the target's test split" in card
    assert "| MYO | 0.500 |" in card
    assert "Iteration 2 of 4, chosen by a rule. Preset `quick`. Seed 3." in card
    assert "- Somebody et al. 2020" in card
    assert "Apache-2.0" in card


def test_missing_scores_are_said_to_be_missing(config: BundleConfig) -> None:
    assert "None were measured" in model_card(replace(config, scores=()))


def test_text_cannot_break_a_table(config: BundleConfig) -> None:
    cohort = replace(config.training.cohorts[0], dataset="a | b\nc")
    card = model_card(replace(config, training=replace(config.training, cohorts=(cohort,))))
    assert "| source | a \\| b c | 3 |" in card


def test_the_licence_names_holder_terms_and_use(config: BundleConfig) -> None:
    text = licence_text(config)
    assert text.startswith("SPDX-License-Identifier: Apache-2.0")
    assert "CrossModalSeg contributors" in text
    assert "www.apache.org/licenses/LICENSE-2.0" in text
    assert "Research use only" in text
    assert "apache.org" not in licence_text(replace(config, licence="CC-BY-NC-4.0"))
