"""CRC-32C (Castagnoli, RFC 3720), as TensorFlow's record files have it, with numpy alone.

A checksum is a register through which the bytes are shifted one by one: too slow in Python. But the
register is linear over GF(2), so that a content can be cut into pieces whose registers are computed
side by side and then joined: that of A followed by B is the one of A, shifted by as many zero bytes
as B has, plus (exclusive or) the one of B.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78
_ONES = 0xFFFFFFFF
_BITS = 32
_WORD_BYTES = 4
_PIECE_BYTES = 256
"""Pieces of about this length cost as much to compute side by side as to join."""

_MASK_DELTA = 0xA282EAD8

Registers = NDArray[np.uint32]


def crc32c(content: bytes) -> int:
    """Return the CRC-32C of some bytes."""
    register = _register(np.frombuffer(content, np.uint8)) ^ _shift(_ONES, len(content))
    return register ^ _ONES


def masked_crc32c(content: bytes) -> int:
    """Return TensorFlow's checksum: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = crc32c(content)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ONES


def _register(content: NDArray[np.uint8]) -> int:
    """Return the register after all bytes, from 0 on."""
    pieces = 1
    while pieces * _PIECE_BYTES < len(content):
        pieces *= 2
    words = max(1, -(-len(content) // (pieces * _WORD_BYTES)))
    padded = np.zeros(pieces * words * _WORD_BYTES, np.uint8)  # zeros at first change nothing
    padded[len(padded) - len(content) :] = content
    low, high = _word_tables()
    registers = np.zeros(pieces, np.uint32)
    for column in np.ascontiguousarray(padded.view("<u4").reshape(pieces, words).T):
        registers ^= column
        registers = low[registers & 0xFFFF] ^ high[registers >> 16]
    length = words * _WORD_BYTES
    while len(registers) > 1:
        registers = _apply(_zero_bytes(length), registers[::2]) ^ registers[1::2]
        length *= 2
    return int(registers[0])


def _shift(register: int, zero_bytes: int) -> int:
    """Return a register after some zero bytes."""
    registers = np.array([register], np.uint32)
    for power in range(zero_bytes.bit_length()):
        if zero_bytes >> power & 1:
            registers = _apply(_zero_bytes(1 << power), registers)
    return int(registers[0])


@cache
def _zero_bytes(count: int) -> Registers:
    """Return what becomes of each single bit of a register by some zero bytes."""
    bits = np.uint32(1) << np.arange(_BITS, dtype=np.uint32)
    if count == 1:
        return np.asarray(_byte_table()[bits & 0xFF] ^ (bits >> 8), np.uint32)
    half = _zero_bytes(count // 2)
    doubled = _apply(half, half)
    return _apply(_zero_bytes(1), doubled) if count % 2 else doubled


def _apply(of_bits: Registers, registers: Registers) -> Registers:
    """Return the sum of what becomes of each bit that is set."""
    total = np.zeros_like(registers)
    for bit, result in enumerate(of_bits):
        total ^= (registers >> np.uint32(bit) & np.uint32(1)) * result
    return total


@cache
def _word_tables() -> tuple[Registers, Registers]:
    """Return what becomes of the lower and the upper half of a register by four zero bytes."""
    of_bits, halves = _zero_bytes(_WORD_BYTES), np.arange(1 << 16, dtype=np.uint32)
    return _apply(of_bits, halves), _apply(of_bits, halves << np.uint32(16))


@cache
def _byte_table() -> Registers:
    """Return the register after one byte, for each byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ (table & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return table
