"""State shared by all users of the page: the catalogue, the agents, the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from spotify_gym.app.agents import EXPECTED, Learned, references
from spotify_gym.app.listening import Agent, ListeningSession, dynamics_for_a_person
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.app.words import listed
from spotify_gym.catalogue import Catalogue
from spotify_gym.catalogue.track_search import TrackSearch
from spotify_gym.session import SessionDynamics
from spotify_gym.training import Run, RunError, RunFolder, load_run
from spotify_gym.training.vec_adapter import sessions_of

SHIPPED_RUN = Path(__file__).with_name("model")
"""The small trained model that comes with the package; `python -m tools.shipped_model` of a checkout makes it."""

_ABOUT = (
    "Started from nothing and learned by trial and error, in {sessions:,} sessions of {c.env} "
    "(algorithm {c.algorithm}, policy {c.policy}, state {c.state}, seed {c.seed})."
)


@dataclass(frozen=True, eq=False)
class AppState:
    """One catalogue, and the agents that recommend from it."""

    dynamics: SessionDynamics
    """The dynamics of the first agent's training environment, with a person as the listener."""
    agents: Mapping[str, Agent]
    """Agents by name, the trained ones first."""
    pca_map: PcaMap
    search: TrackSearch
    genres: tuple[str, ...]
    """Genres with enough tracks to start from."""
    well_known: NDArray[np.int64]
    """Tracks to suggest."""
    length: int
    """Tracks in a session of the environment."""

    @classmethod
    def open(
        cls, runs: Sequence[str | Path] = (), catalogue: str | Path | Catalogue | None = None, *, trust: bool = False
    ) -> AppState:
        """Load trained agents and their catalogue; the first run defines the session's rules.

        Args:
            runs: run folders, one named twice counting once; none for the model that comes with the package.
            catalogue: a table, a prepared .arrow, "builtin" or "builtin:26000"; None for what the first learned from.
            trust: load what can run code of its own, as :func:`spotify_gym.training.load_run` does.

        Raises:
            ValueError: a run or a table that is missing, damaged, or does not fit the others; as `RunError`,
                `CatalogueError` or `BindingError`.
        """
        paths = list({Path(folder).resolve(): Path(folder) for folder in runs}.values())
        first = load_run(paths[0] if paths else SHIPPED_RUN, catalogue, trust=trust)
        dynamics = _dynamics(first)
        loaded = [(first, dynamics), *(_beside(first, dynamics, path, trust) for path in paths[1:])]
        names = _names([run for run, _ in loaded])
        trained = [
            Learned(name, _about(run), _value_name(run), own, run)
            for name, (run, own) in zip(names, loaded, strict=True)
        ]
        return cls.around(dynamics, trained, first.config.session_length)

    @classmethod
    def around(cls, dynamics: SessionDynamics, learned: Sequence[Learned], length: int) -> AppState:
        """Set up everything that depends on the dynamics, including the reference agents."""
        agents: list[Agent] = [*learned, *references(dynamics)]
        for agent in agents:  # compute what is cached now, and not at the first click
            ListeningSession(dynamics, agent, range(dynamics.history_length)).offers()
        catalogue = dynamics.catalogue
        by_name = {agent.name: agent for agent in agents}
        genres, known = genres_to_start_from(catalogue, dynamics.history_length), well_known(catalogue)
        return cls(dynamics, by_name, PcaMap.of(catalogue), TrackSearch(catalogue), genres, known, length)

    @property
    def catalogue(self) -> Catalogue:
        """The tracks that can be played."""
        return self.dynamics.catalogue


def _beside(first: Run, dynamics: SessionDynamics, path: Path, trust: bool) -> tuple[Run, SessionDynamics]:
    """Load a further run and its dynamics, for sessions of the first run's environment."""
    measured, wanted = first.catalogue.feature_names, dynamics.history_length
    try:
        if RunFolder.open(path, trust).meta["catalogue"].get("feature_names") != list(measured):
            raise RunError(f"it was trained on features other than {listed(measured)}")
        run = load_run(path, first.catalogue, trust=trust)
        own = _dynamics(run)
        if own.history_length != wanted:
            raise RunError(
                f"its vibe is the mean of {own.history_length} tracks, but in these sessions it is of {wanted}"
            )
    except ValueError as error:
        raise RunError(f"{path} cannot play beside {first.path}: {error}") from error
    return run, own


def _dynamics(run: Run) -> SessionDynamics:
    return dynamics_for_a_person(sessions_of(run.config, run.catalogue, n_envs=1, whole=False).env.dynamics)


def _about(run: Run) -> str:
    return _ABOUT.format(sessions=run.model.num_timesteps // run.config.session_length, c=run.config)


def _value_name(run: Run) -> str:
    """Name what an agent's scores mean: returns, for value-based models."""
    return (
        EXPECTED if hasattr(run.model.policy, "rank") or hasattr(run.model.policy, "q_net") else "how well a track fits"
    )


def _names(runs: Sequence[Run]) -> list[str]:
    """Name each run by algorithm and environment, with as much of its path as is needed to tell runs apart."""
    kinds = [(type(run.model).__name__, run.config.env.removeprefix("Spotify").partition("-v")[0]) for run in runs]
    parts = [_readable(Path(run.path or "").resolve()).parts for run in runs]
    return [
        f"{algorithm} ({env})"
        if kinds.count((algorithm, env)) == 1
        else f"{algorithm} ({env}, {_tail(own, [other for other in parts if other != own])})"
        for (algorithm, env), own in zip(kinds, parts, strict=True)
    ]


def _tail(parts: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    tails = (parts[-depth:] for depth in range(1, len(parts) + 1))
    return next(str(PurePath(*tail)) for tail in tails if all(other[-len(tail) :] != tail for other in others))


def _readable(path: Path) -> Path:
    """Escape the bytes of a path that are not UTF-8."""
    return Path(str(path).encode(errors="backslashreplace").decode())


def well_known(catalogue: Catalogue, most: int = 8) -> NDArray[np.int64]:
    """Return the most popular tracks, as suggestions; none if popularity is unknown."""
    if catalogue.popularity is None:
        return np.zeros(0, np.int64)
    n_candidates = min(10 * most, len(catalogue))
    popularity = catalogue.known_popularity
    known = np.argpartition(-popularity, n_candidates - 1)[:n_candidates]
    ordered = known[np.lexsort((known, -popularity[known]))]
    return catalogue.one_of_each_song(ordered[popularity[ordered] >= 0])[:most]


def genres_to_start_from(catalogue: Catalogue, n_tracks: int) -> tuple[str, ...]:
    """Return the names of the genres with at least `n_tracks` songs; none if genres are unknown."""
    if catalogue.genres is None:
        return ()
    first_versions = catalogue.songs == np.arange(len(catalogue))
    enough = catalogue.genres[first_versions].sum(axis=0) >= n_tracks
    return tuple(sorted(name for name, is_enough in zip(catalogue.genre_names, enough, strict=True) if is_enough))
