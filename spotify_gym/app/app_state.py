"""What everybody at the page shares: the catalogue, the agents, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spotify_gym.app.agents import Agent, Learned, Told, references
from spotify_gym.app.explanation import Profile
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.session_starts import genres_to_start_from
from spotify_gym.app.trained import length_of, load_trained
from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.track_search import TrackSearch
from spotify_gym.session import SessionDynamics


@dataclass(frozen=True, eq=False)
class AppState:
    """One catalogue, and who recommends from it."""

    dynamics: SessionDynamics
    """Of the environment that the first trained agent learned in, for a person."""
    agents: Mapping[str, Agent]
    """By name, the trained ones first."""
    profile: Profile
    pca_map: PcaMap
    search: TrackSearch
    genres: tuple[str, ...]
    """Those with tracks enough to start from."""
    length: int
    """Tracks in a session of the environment."""

    @classmethod
    def open(
        cls, runs: Sequence[str | Path] = (), catalogue: str | Path | Catalogue | None = None, *, trust: bool = False
    ) -> AppState:
        """Load trained agents and the catalogue they play from.

        Args:
            runs: run folders; none for the model that comes with the package.
            catalogue: a table, a prepared .arrow, "builtin" or "builtin:26000"; None for what the first learned from.
            trust: load what can run code of its own, as :func:`spotify_gym.training.load_run` does.

        Raises:
            ValueError: a run or a table that is missing, damaged, or does not fit the others; as `RunError`,
                `CatalogueError` or `BindingError`.
        """
        trained = load_trained(runs, catalogue, trust=trust)
        return cls.around(trained[0].dynamics, trained, length_of(trained[0].run))

    @classmethod
    def around(cls, dynamics: SessionDynamics, learned: Sequence[Learned], length: int) -> AppState:
        """Set up everything that follows from the rules, the agents that do not learn among it."""
        agents: list[Agent] = [*learned, *references(dynamics)]
        trial = Told(tuple(range(dynamics.history_length)))
        for agent in agents:
            agent.rank(trial, 1)  # what is computed only once shall not wait for the first click
        by_name = {agent.name: agent for agent in agents}
        genres = genres_to_start_from(dynamics.catalogue, dynamics.history_length)
        catalogue = dynamics.catalogue
        return cls(
            dynamics, by_name, Profile.of(catalogue), PcaMap.of(catalogue), TrackSearch(catalogue), genres, length
        )

    @property
    def catalogue(self) -> Catalogue:
        """What can be played."""
        return self.dynamics.catalogue
