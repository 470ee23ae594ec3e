"""Ranking measures: how well scores of the whole catalogue find the tracks that belong, exactly.

Tracks with the same score have no order (many recordings stand in a catalogue several times, with the same features).
Every measure here is its expected value over all orders of such ties, from a closed form, so that neither the sorting
algorithm nor the order of the table can flatter a method.

Source: McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied
Scores", ECIR 2008.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Ranking:
    """Where the relevant tracks stand among the candidates."""

    above: NDArray[np.int64]
    """(n_relevant,) candidates with a higher score than each relevant track."""
    tied: NDArray[np.int64]
    """(n_relevant,) candidates with its very score, itself included."""
    n_candidates: int

    @classmethod
    def of(cls, scores: ArrayLike, relevant: ArrayLike, excluded: ArrayLike = ()) -> Ranking:
        """Rank all tracks but the excluded ones, the highest score first.

        Args:
            scores: `(n_tracks,)`, higher is better; infinite ones are allowed.
            relevant: Indices of the tracks to find. A track counts once however often it stands here, and not at all
                if it is excluded.
            excluded: Indices of the tracks that are no candidates, such as those that the listener started with.

        Raises:
            ValueError: A score is NaN, or no relevant track is left.
        """
        values = np.asarray(scores)
        if np.isnan(values).any():
            raise ValueError(f"{np.isnan(values).sum()} of {len(values)} scores are not a number")
        left_out = np.asarray(excluded, np.int64)
        found = values[np.setdiff1d(relevant, left_out)]
        if not found.size:
            raise ValueError("no relevant track is left to find")
        candidates = np.sort(np.delete(values, left_out))
        upper = np.searchsorted(candidates, found, side="right")
        lower = np.searchsorted(candidates, found, side="left")
        return cls(len(candidates) - upper, upper - lower, len(candidates))

    @property
    def n_relevant(self) -> int:
        """How many tracks there are to find."""
        return len(self.above)

    def recall(self, k: int) -> float:
        """Share of the relevant tracks that stand among the first `k`, in [0, 1]."""
        return float(np.clip((k - self.above) / self.tied, 0, 1).mean())

    def r_precision(self) -> float:
        """Share of the first `n_relevant` tracks that are relevant, in [0, 1]."""
        return self.recall(self.n_relevant)

    def ndcg(self, k: int | None = None) -> float:
        """Discounted gain of the relevant tracks among the first `k` over the most it could be, in [0, 1].

        A relevant track on rank r gains 1 / log₂(r + 1) (Järvelin and Kekäläinen, 2002). All ranks count if `k` is
        None.
        """
        discounts = 1 / np.log2(np.arange(2, self.n_candidates + 2))
        discounts[self.n_candidates if k is None else k :] = 0
        total = np.concatenate([[0], np.cumsum(discounts)])  # (n_candidates + 1,) of the first 0, 1, 2, ... ranks
        gained = (total[self.above + self.tied] - total[self.above]) / self.tied
        return float(gained.sum() / total[self.n_relevant])

    def auc(self) -> float:
        """How likely a relevant track stands above one that is not, a tie counting half; in [0, 1].

        Raises:
            ValueError: All candidates are relevant.
        """
        n_others = self.n_candidates - self.n_relevant
        if not n_others:
            raise ValueError("all candidates are relevant: there is nothing to tell them from")
        ahead = (self.above + (self.tied - 1) / 2).sum()  # each pair of relevant tracks adds 1 in either order
        ahead_of_others = ahead - self.n_relevant * (self.n_relevant - 1) / 2
        return float(1 - ahead_of_others / (self.n_relevant * n_others))
