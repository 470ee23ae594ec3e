"""Random numbers as functions of a key."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spotify_gym.session.streams import KeyStream, uniforms
from tests.session import reference_kernels


def test_uniforms__look_uniform_and_independent_over_key_time_and_place() -> None:
    keys = KeyStream.seeded(0, 50).next(np.arange(50))
    times = np.arange(40)
    drawn = np.stack([uniforms(keys, np.full(50, t), 10) for t in times])
    assert stats.kstest(drawn.ravel(), "uniform").pvalue > 0.001
    for axis in range(3):
        neighbours = np.moveaxis(drawn, axis, 0)
        assert abs(np.corrcoef(neighbours[:-1].ravel(), neighbours[1:].ravel())[0, 1]) < 0.03


def test_keys__of_a_slot_are_those_of_a_lone_slot_with_its_seed() -> None:
    many, alone = KeyStream.seeded(10, 5), KeyStream.seeded(13, 1)
    for _ in range(3):
        assert many.next(np.arange(5))[3] == alone.next(np.zeros(1, np.intp))[0]


def test_keys__count_seeds_and_slots() -> None:
    with pytest.raises(ValueError, match="2 seeds for 3 sessions"):
        KeyStream.seeded([1, 2], 3)
    for neither in 1.5, np.array(3), {1, 2, 3}:
        with pytest.raises(ValueError, match="must be a whole number, or a list of one for each of 3 sessions"):
            KeyStream.seeded(neither, 3)  # type: ignore[arg-type]


def test_uniforms__compiled_equals_numpy_bit_for_bit() -> None:
    keys = KeyStream.seeded(0, 20).next(np.arange(20))
    for time in -1, 0, 7:
        assert np.array_equal(
            uniforms(keys, np.full(20, time), 6), reference_kernels.uniforms(keys, np.full(20, time), 6)
        )
