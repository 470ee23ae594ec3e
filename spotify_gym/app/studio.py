"""What everybody at the page shares: the catalogue, the agents, the map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import numpy as np

from spotify_gym.app.agents import Agent, Learned, references
from spotify_gym.app.atlas import Atlas
from spotify_gym.app.distribution import Profile
from spotify_gym.app.listening import rules_for_a_person
from spotify_gym.app.starts import genres_to_start_from
from spotify_gym.catalogue import Catalogue
from spotify_gym.session import SessionRules
from spotify_gym.training.learners import sessions_of
from spotify_gym.training.loading import load_run

SHIPPED_RUN = Path(__file__).with_name("model")
"""The small trained model that comes with the package; `python -m experiments.shipped_model` makes it."""

_TRAINED = "Knew nothing at first, and learned what to play by trial and error in {:,} sessions."


@dataclass(frozen=True, eq=False)
class Studio:
    """One catalogue, and who recommends from it."""

    rules: SessionRules
    """Of the environment that the trained agent learned in, for a person."""
    agents: Mapping[str, Agent]
    """By name, the trained agent first."""
    profile: Profile
    atlas: Atlas
    genres: tuple[str, ...]
    """Those with tracks enough to start from."""
    length: int
    """Tracks in a session of the environment."""

    @classmethod
    def open(cls, run: str | Path | None = None, catalogue: str | Path | Catalogue | None = None) -> Studio:
        """Load a trained agent and the catalogue it plays from.

        Args:
            run: a run folder; None for the model that comes with the package.
            catalogue: a table, a prepared .npz, "builtin" or "builtin:26000"; None for the one the run learned from.

        Raises:
            ValueError: a run or a table that is missing, damaged, or does not fit the other; as `RunError`,
                `CatalogueError` or `BindingError`.
        """
        loaded = load_run(SHIPPED_RUN if run is None else run, catalogue)
        rules = rules_for_a_person(sessions_of(loaded.config, loaded.catalogue, n_envs=1).env.rules)
        length = gym.spec(loaded.config.env).max_episode_steps
        assert length is not None  # every environment of this package is truncated by its registration
        return cls.around(
            rules, [Learned("Trained", _TRAINED.format(loaded.config.total_steps // length), rules, loaded)], length
        )

    @classmethod
    def around(cls, rules: SessionRules, learned: list[Learned], length: int) -> Studio:
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
