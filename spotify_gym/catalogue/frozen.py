"""Arrays that nobody can change."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: ArrayLike, dtype: type[Scalar]) -> NDArray[Scalar]:
    """Return a C-contiguous, read-only view of ``array``, copied only where layout or type require it."""
    view: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view
