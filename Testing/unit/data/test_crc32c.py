"""CRC-32C, by the numbers of RFC 3720 (B.4) and bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from CrossModalSegLib.data.crc32c import crc32c, masked_crc32c


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_checksums(content: bytes, expected: int) -> None:
    assert crc32c(content) == expected


def slow(content: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=1500))
def test_any_content_has_the_checksum_of_its_bits_one_by_one(content: bytes) -> None:
    assert crc32c(content) == slow(content)


def test_a_long_content_has_too_and_every_bit_counts() -> None:
    content = np.random.default_rng(0).bytes(20_011)
    assert crc32c(content) == slow(content)
    for at in (0, 127, 128, 9_999, 20_010):
        changed = bytearray(content)
        changed[at] ^= 4
        assert crc32c(bytes(changed)) != crc32c(content)


def test_tensorflow_masks_it() -> None:
    crc = 0xE3069283
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32
    assert masked_crc32c(b"123456789") == masked
