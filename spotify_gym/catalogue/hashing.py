"""A fast test for duplicates among many texts, by hash tables small enough for the CPU cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Hashes = NDArray[np.uint64]

_TOGETHER = 2**15  # hashes per table, at most on average
_FAR = 256  # slots probed per lookup; only texts crafted to collide need more


def share_a_hash(letters: NDArray[np.uint8], begins: NDArray[np.int64]) -> bool:
    """Return whether any of n texts may be equal; `False` proves that all of them differ.

    `True` means that two hashes are equal, or that so many are similar that the search was given up.

    Args:
        letters: (any,), the bytes of all texts.
        begins: (n + 1,), the offset in ``letters`` at which each text begins, and the end of the last; not checked.
    """
    hashes = _hashes(letters, begins)
    return _repeats(hashes, (len(hashes) // _TOGETHER).bit_length())


@compiled
def _hashes(letters: NDArray[np.uint8], begins: NDArray[np.int64]) -> Hashes:
    """Return a 64-bit hash of each text, a variant of FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv).

    It takes eight bytes per step instead of one, and therefore a multiplier with bits set throughout, and folds the
    value after each multiplication. The length is hashed first, so that texts of zero bytes differ.
    """
    hashes = np.empty(len(begins) - 1, np.uint64)
    for text in range(len(hashes)):
        place, end = begins[text], begins[text + 1]
        value = np.uint64(0xCBF29CE484222325) ^ np.uint64(end - place)
        while place < end:
            word = np.uint64(0)
            if place + 8 <= end:
                for byte in range(8):  # one load
                    word |= np.uint64(letters[place + byte]) << np.uint64(8 * byte)
            else:
                for byte in range(end - place):
                    word |= np.uint64(letters[place + byte]) << np.uint64(8 * byte)
            value = (value ^ word) * np.uint64(0x9E3779B97F4A7C15)
            value ^= value >> np.uint64(32)
            place += 8
        hashes[text] = value
    return hashes


@compiled
def _repeats(hashes: Hashes, bits: int) -> bool:
    """Return whether two hashes may be equal: sort them by their last ``bits`` bits, then look for each in its part."""
    part = np.uint64(2**bits - 1)
    ends = np.zeros(2**bits + 1, np.int64)
    for value in hashes:
        ends[(value & part) + np.uint64(1)] += 1
    n_slots = 1
    while n_slots < 2 * ends.max():
        n_slots *= 2
    ends, ordered = np.cumsum(ends), np.empty_like(hashes)
    for value in hashes:
        ordered[ends[value & part]] = value
        ends[value & part] += 1
    table, begin = np.empty(n_slots, np.uint64), 0
    for end in ends[:-1]:
        table[:] = 0
        for value in ordered[begin:end]:
            slot = _slot(table, value | np.uint64(1), np.uint64(bits))
            if table[slot] != 0:
                return True
            table[slot] = value | np.uint64(1)  # 0 marks an empty slot
        begin = end
    return False


@compiled
def _slot(table: Hashes, value: np.uint64, bits: np.uint64) -> np.uint64:
    """Return the slot of ``value`` in a table of 2^k, or the empty one where it belongs; after `_FAR` probes, any."""
    last = np.uint64(len(table) - 1)
    slot = (value >> bits) & last
    for _ in range(_FAR):
        if table[slot] == 0 or table[slot] == value:
            break
        slot = (slot + np.uint64(1)) & last
    return slot
