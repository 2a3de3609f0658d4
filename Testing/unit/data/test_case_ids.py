"""Case ids as file names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CrossModalSegLib.data.case_ids import safe_case_id


@pytest.mark.parametrize("name", ["case_001", "Müller, 2. Scan", "患者 1", "a.b-c (2)"])
def test_ordinary_names_stay(name: str) -> None:
    assert safe_case_id(name) == name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc", "_.._.._etc"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "_"),
        ("", "_"),
        ("nul.txt", "_nul.txt"),
        ("tab\there", "tab_here"),
        ("end. ", "end"),
        ("u\u0308", "ü"),
    ],
)
def test_unsafe_names_are_changed(name: str, safe: str) -> None:
    assert safe_case_id(name) == safe


def test_long_names_stay_different() -> None:
    first, second = safe_case_id("ü" * 200 + "1"), safe_case_id("ü" * 200 + "2")
    assert first != second
    assert len(first.encode()) <= 120


@given(st.text())
def test_safe_names_are_safe_and_stay_as_they_are(name: str) -> None:
    safe = safe_case_id(name)
    assert safe
    assert safe_case_id(safe) == safe
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert safe not in {".", ".."}
