"""Does what was learned hold elsewhere: in new sessions, on tracks never seen, on another catalogue; not retrained.

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
"""Where the held-out sessions are played."""

HERE, ELSEWHERE = "trained there", "trained elsewhere"
"""Where the learners that play in a place have learned."""


@dataclass(frozen=True)
class Generalization(Study):
    """Train on a part of the tracks and play where nothing was learned, beside learners that were trained there.

    Skill is measured in each place on that place's own fixed list and planner. A second call goes on where the first
    one stopped.
    """

    other: str | None = None
    """Another catalogue to play from, scaled as the one that was learned from."""
    test_fraction: float = 0.2
    """Share of the tracks that is kept from the learner; where artists are known none stands on both sides."""
    out: Path = Path("results/generalization")

    def methods(self) -> Iterator[Case]:
        """Learn from the first place and play in all of them; for comparison learn in each of the others too."""
        if self.config.policy == "mlp":
            raise ValueError(
                "policy='mlp' has one output per track and plays only from the tracks it was trained on; "
                "take policy='catalogue'"
            )
        home, *abroad = self._places()
        for place, plays_from in ((home, (home, *abroad)), *((place, (place,)) for place in abroad)):
            yield TravelCase(HERE, replace(self.config, catalogue=place, max_tracks=None), plays_from=plays_from)

    def _places(self) -> Iterator[str]:
        """Divide the catalogue, and give the path of each place, a file that all processes share."""
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
    """A training run whose model then plays from several catalogues."""

    plays_from: tuple[str, ...] = ()
    """Prepared catalogues, measured alike."""

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Return a row per held-out session of each place."""
        rows = []
        for place in self.plays_from:
            method = HERE if place == self.config.catalogue else ELSEWHERE
            there = replace(self, method=method, config=replace(self.config, catalogue=place))
            rows.append(super(TravelCase, there).measured(policy, catalogue_of(there.config)))
        return pd.concat(rows, ignore_index=True)


if __name__ == "__main__":
    main(Generalization)
