"""Mutations of bytes and of lists of words, as by faulty disks, editors, transfers and attackers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

TOKENS = (
    *(b"", b'"', b'""', b",", b";", b"\n", b"\r\n", b"\r", b"\t", b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\\"),
    *(b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"1e-320", b"-0", b"4-Apr", b"9" * 400, b"0x1p3", b"1_0"),
    *("é’\u2028".encode(), "\u202e".encode(), b"\xed\xa0\x80", b"=1+1", b"true", b"null", b"[", b"]", b"{", b"}"),
    *(b"[" * 2000, b"../../x", b"/etc/passwd", b"PK\x03\x04", b"PAR1", b"ARROW1", b"\x1f\x8b", b"\x80\x04\x95"),
    *(b"|O", b"<f8", b">f4", b"(0, 9)"),
)
"""Pieces that parsers commonly fail on."""

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
"""The bytes of numbers at the limits of their types."""

_WAYS = st.sampled_from(("token", "number", "flip", "random", "repeat", "move", "remove", "cut"))
_TOKEN, _NUMBER, _RANDOM = st.sampled_from(TOKENS), st.sampled_from(NUMBERS), st.binary(max_size=32)
_HOW_MANY = st.sampled_from((1, 1, 1, 1, 2, 2, 3, 4))


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Draw the content with changes at one or a few places."""
    for _ in range(draw(_HOW_MANY)):
        start, way = draw(st.integers(0, len(content))), draw(_WAYS)
        end = start + 2 ** draw(st.integers(0, len(content).bit_length()))  # short spans are as likely as long ones
        piece, rest = content[start:end], content[end:]
        if way == "token":
            piece, rest = draw(_TOKEN), content[start + draw(st.integers(0, 8)) :]
        elif way == "number":
            piece = draw(_NUMBER)
            rest = content[start + len(piece) :]
        elif way == "flip":
            piece = bytes(byte ^ 1 << draw(st.integers(0, 7)) for byte in piece[:1]) + piece[1:]
        elif way == "random":
            piece = draw(_RANDOM)
            rest = content[start + len(piece) :]
        elif way == "repeat":
            piece = piece[:200] * draw(st.integers(2, 20))
        elif way == "move":
            target = draw(st.integers(0, len(rest)))
            piece, rest = rest[:target] + piece, rest[target:]
        else:
            piece, rest = b"", rest if way == "remove" else b""
        content = content[:start] + piece + rest
    return content


@st.composite
def shuffled(draw: st.DrawFn, words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Draw the words with one to four of them dropped, repeated or replaced by one of ``others``."""
    changed = list(words)
    for _ in range(draw(st.integers(1, 4))):
        start, left_out = draw(st.integers(0, len(changed))), draw(st.integers(0, 1))
        added = ([], changed[start : start + 1] * 2, [draw(st.sampled_from(others))])
        changed[start : start + left_out] = draw(st.sampled_from(added))
    return changed
