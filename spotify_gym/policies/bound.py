"""What nothing can exceed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spotify_gym.session import SessionRules, Sessions

