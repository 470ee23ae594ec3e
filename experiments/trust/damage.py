"""Damage to bytes and to lists of words: what disks, editors, transfers and strangers do to files and command lines."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

Rng = np.random.Generator

TOKENS = (
    *(b"", b'"', b'""', b",", b";", b"\n", b"\r\n", b"\r", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\\"),
    *(
        b"nan",
        b"NaN",
        b"inf",
        b"-Infinity",
        b"1e999",
        b"1e-320",
        b"-0",
        b"4-Apr",
        b"9" * 400,
        b"0x1p3",
        b"1_0",
        b"null",
    ),
    *("é’\u2028".encode(), "\u202e".encode(), b"\xed\xa0\x80", b"=1+1", b"true", b"[", b"]", b"{", b"}", b"[" * 2000),
    *(
        b"../../x",
        b"/etc/passwd",
        b"PK\x03\x04",
        b"PAR1",
        b"\x1f\x8b",
        b"\x80\x04\x95",
        b"|O",
        b"<f8",
        b">f4",
        b"(0, 9)",
    ),
)
"""Pieces that parsers have stumbled over before."""

NUMBERS = tuple(
    struct.pack(kind, value)
    for kind, values in {
        "<i": (0, 1, -1, 2**31 - 1, -(2**31)),
        "<q": (0, 1, -1, 2**40, 2**63 - 1, -(2**63)),
        "<f": (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 1e13),
        "<d": (np.nan, np.inf, 1e300, 5e-324),
    }.items()
    for value in values
)
"""Numbers at the ends of their types, as files hold them."""


def damaged(content: bytes, rng: Rng) -> bytes:
    """Return the content with one place damaged, or a few."""
    for _ in range(rng.geometric(0.5)):
        content = _WAYS[rng.integers(len(_WAYS))](content, rng)
    return content


def shuffled(words: Sequence[str], others: Sequence[str], rng: Rng) -> list[str]:
    """Return the words with one to four of them left out, doubled, or replaced by one of the others."""
    changed = list(words)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(changed) + 1))
        left_out = int(rng.integers(0, 2))
        added = [[], [str(rng.choice(others))], changed[place : place + 1] * 2][rng.integers(3)]
        changed[place : place + left_out] = added
    return changed


def _flip(content: bytes, rng: Rng) -> bytes:
    start, _ = _span(content, rng, longest=1)
    return (
        content[:start]
        + bytes(byte ^ (1 << int(rng.integers(8))) for byte in content[start : start + 1])
        + content[start + 1 :]
    )


def _insert(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng, longest=8)
    return content[:start] + TOKENS[rng.integers(len(TOKENS))] + content[end:]


def _overwrite(content: bytes, rng: Rng) -> bytes:
    number = NUMBERS[rng.integers(len(NUMBERS))]
    start, _ = _span(content, rng, longest=1)
    return content[:start] + number + content[start + len(number) :]


def _randomise(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng, longest=32)
    return content[:start] + rng.bytes(end - start) + content[end:]


def _remove(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng, longest=len(content))
    return content[:start] + content[end:]


def _double(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng, longest=200)
    return content[:end] + content[start:end] * int(rng.integers(1, 20)) + content[end:]


def _move(content: bytes, rng: Rng) -> bytes:
    start, end = _span(content, rng, longest=200)
    rest, target = content[:start] + content[end:], int(rng.integers(len(content) + 1))
    return rest[:target] + content[start:end] + rest[target:]


def _cut(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def _span(content: bytes, rng: Rng, longest: int) -> tuple[int, int]:
    """Draw where a damage begins and ends; short spans are as likely as long ones."""
    start = int(rng.integers(len(content) + 1))
    length = int(max(longest, 1) ** rng.random())
    return start, min(start + length, len(content))


_WAYS: tuple[Callable[[bytes, Rng], bytes], ...] = (
    *(_flip, _flip, _insert, _insert, _overwrite, _overwrite, _randomise, _move, _double, _remove, _cut),
)
