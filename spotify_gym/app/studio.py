"""What everybody at the page shares: the catalogue, the agents, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spotify_gym.app.agents import Agent, Learned, references
from spotify_gym.app.atlas import Atlas
from spotify_gym.app.distribution import Profile
from spotify_gym.app.starts import genres_to_start_from
from spotify_gym.app.trained import length_of, load_trained
from spotify_gym.catalogue import Catalogue
from spotify_gym.session import SessionRules


@dataclass(frozen=True, eq=False)
class Studio:
    """One catalogue, and who recommends from it."""

    rules: SessionRules
    """Of the environment that the first trained agent learned in, for a person."""
    agents: Mapping[str, Agent]
    """By name, the trained ones first."""
    profile: Profile
    atlas: Atlas
    genres: tuple[str, ...]
    """Those with tracks enough to start from."""
    length: int
    """Tracks in a session of the environment."""

    @classmethod
    def open(cls, runs: Sequence[str | Path] = (), catalogue: str | Path | Catalogue | None = None) -> Studio:
        """Load trained agents and the catalogue they play from.

        Args:
            runs: run folders; none for the model that comes with the package.
            catalogue: a table, a prepared .npz, "builtin" or "builtin:26000"; None for what the first learned from.

        Raises:
            ValueError: a run or a table that is missing, damaged, or does not fit the others; as `RunError`,
                `CatalogueError` or `BindingError`.
        """
        trained = load_trained(runs, catalogue)
        rules = replace(trained[0].rules, state="mean+decayed")  # a session remembers what any of them may look at
        return cls.around(rules, trained, length_of(trained[0].run))

    @classmethod
    def around(cls, rules: SessionRules, learned: Sequence[Learned], length: int) -> Studio:
        """Set up everything that follows from the rules, the agents that do not learn among it."""
        agents: list[Agent] = [*learned, *references(rules)]
        trial = rules.start(np.zeros(1, np.uint64), np.arange(rules.history_length)[None])
        for agent in agents:
            agent.rank(trial, 1)  # what is computed only once shall not wait for the first click
        by_name = {agent.name: agent for agent in agents}
        genres = genres_to_start_from(rules.catalogue, rules.history_length)
        return cls(rules, by_name, Profile.of(rules.catalogue), Atlas.of(rules.catalogue), genres, length)

    @property
    def catalogue(self) -> Catalogue:
        """What can be played."""
        return self.rules.catalogue
