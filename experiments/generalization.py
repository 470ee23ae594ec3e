"""Generalisation to new sessions, to tracks never seen and to another catalogue, without retraining.

`python -m experiments.generalization --catalogue TABLE --other OTHER_TABLE`
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.lib import Case, Study, main
from spotify_gym.catalogue import Catalogue, as_catalogue
from spotify_gym.training.vec_adapter import catalogue_of

LEARNED, UNSEEN, OTHER = "tracks learned from", "tracks never seen", "another catalogue"
"""The catalogues that held-out sessions are played from."""

HERE, ELSEWHERE = "trained there", "trained elsewhere"
"""Names of the methods: trained on the catalogue they play from, or on another one."""


@dataclass(frozen=True)
class Generalization(Study):
    """Train on a part of the tracks, evaluate on the others, and compare with learners that were trained on those.

    Skill is measured on each catalogue by its own fixed list and planner. A repeated call resumes where it stopped.
    """

    other: str | None = None
    """Another catalogue to play from, with the scaling of the training catalogue."""
    test_fraction: float = 0.2
    """Share of the tracks withheld from training; if artists are known, no artist is on both sides."""
    out: Path = Path("results/generalization")

    def methods(self) -> Iterator[Case]:
        """Yield a case trained on the first catalogue that plays from all, and one trained on each other catalogue."""
        if self.config.policy == "mlp":
            raise ValueError(
                "policy='mlp' has one output per track and plays only from the tracks it was trained on; "
                "use policy='catalogue'"
            )
        home, *abroad = self._places()
        for place, plays_from in ((home, (home, *abroad)), *((place, (place,)) for place in abroad)):
            yield TravelCase(HERE, replace(self.config, catalogue=place, max_tracks=None), plays_from=plays_from)

    def _places(self) -> Iterator[str]:
        """Split the catalogue and yield the path of each part, saved as a file that all processes share."""
        learned, unseen = catalogue_of(self.config).split(self.test_fraction, seed=0)
        places = {LEARNED: learned, UNSEEN: unseen}
        if self.other is not None:
            places[OTHER] = as_catalogue(self.other, scaling=learned.scaling)
        for name, catalogue in places.items():
            path = self.out / "catalogues" / catalogue.fingerprint[:12] / f"{name}.arrow"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                catalogue.save(path)
            yield str(path)


@dataclass(frozen=True)
class TravelCase(Case):
    """A training run whose model is evaluated on several catalogues."""

    plays_from: tuple[str, ...] = ()
    """Prepared catalogues with the same features and scaling."""

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Return a row per held-out session on each catalogue."""
        rows = []
        for place in self.plays_from:
            method = HERE if place == self.config.catalogue else ELSEWHERE
            there = replace(self, method=method, config=replace(self.config, catalogue=place))
            rows.append(super(TravelCase, there).measured(policy, catalogue_of(there.config)))
        return pd.concat(rows, ignore_index=True)


if __name__ == "__main__":
    main(Generalization)
