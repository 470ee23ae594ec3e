"""The test for duplicate texts by hashes."""

from __future__ import annotations

import numpy as np
import pytest

from spotify_gym.catalogue.hashing import share_a_hash


@pytest.mark.parametrize("width", [7, 16, 22])
def test_numbers_in_order__are_told_apart(width: int) -> None:
    ids = [f"{number:0{width}d}".encode() for number in range(200_000)]
    begins = width * np.arange(len(ids) + 1)
    assert not share_a_hash(np.frombuffer(b"".join(ids), np.uint8), begins)
    assert share_a_hash(np.frombuffer(b"".join([*ids[:-1], ids[7]]), np.uint8), begins)
