"""Whether two of many texts may be the same: by hashes, in a table at a time that stays near."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.compiled import compiled

Hashes = NDArray[np.uint64]

_TOGETHER = 2**15  # hashes in a table
_FAR = 256  # places to look at; only texts that somebody made to lie together ask for more


def share_a_hash(letters: NDArray[np.uint8], begins: NDArray[np.int64]) -> bool:
    """Return whether two of n texts have the same hash, or very many a similar one; where none have, all texts differ.

    Args:
        letters: (any,) of all texts.
        begins: (n + 1,) where in the letters each text begins, and where the last one ends; within them.
    """
    hashes = _hashes(letters, begins)
    return _repeats(hashes, (len(hashes) // _TOGETHER).bit_length())


@compiled
def _hashes(letters: NDArray[np.uint8], begins: NDArray[np.int64]) -> Hashes:
    """Return a hash of each text (after FNV-1a of 64 bits, http://www.isthe.com/chongo/tech/comp/fnv).

    Eight letters are taken at a time, so that the factor has bits all over and the number is folded after each
    multiplication; the length, by which texts of zeros differ, comes first.
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
    """Return whether a number stands twice: each is looked up among those of the same last bits, which lie together."""
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
            table[slot] = value | np.uint64(1)  # 0 is nothing
        begin = end
    return False


@compiled
def _slot(table: Hashes, value: np.uint64, bits: np.uint64) -> np.uint64:
    """Return where in a table of 2^k numbers a number is, or the 0 where it would be, or a place not far from there."""
    last = np.uint64(len(table) - 1)
    slot = (value >> bits) & last
    for _ in range(_FAR):
        if table[slot] == 0 or table[slot] == value:
            break
        slot = (slot + np.uint64(1)) & last
    return slot
