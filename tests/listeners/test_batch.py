from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spotify_gym.listeners import BatchState


@dataclass
class Inner(BatchState):
    names: NDArray[np.str_]


@dataclass
class Outer(BatchState):
    numbers: NDArray[np.int64]
    inner: Inner
    nothing: None = None


def outer(*numbers: int) -> Outer:
    return Outer(np.array(numbers), Inner(np.array([f"n{i}" for i in numbers])))


def test_take__copies_the_sessions_in_the_order_asked():
    state = outer(0, 10, 20)
    taken = state.take(np.array([2, 0, 2]))
    np.testing.assert_array_equal(taken.numbers, [20, 0, 20])
    np.testing.assert_array_equal(taken.inner.names, ["n20", "n0", "n20"])
    taken.numbers[:] = -1
    np.testing.assert_array_equal(state.numbers, [0, 10, 20])


def test_put__overwrites_these_sessions_and_no_others():
    state = outer(0, 10, 20)
    state.put(np.array([2, 0]), outer(7, 8))
    np.testing.assert_array_equal(state.numbers, [8, 10, 7])
    np.testing.assert_array_equal(state.inner.names, ["n8", "n10", "n7"])
    assert state.nothing is None
