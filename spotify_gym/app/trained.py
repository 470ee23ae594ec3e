"""Trained agents out of their run folders, to sit side by side in one session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

import gymnasium as gym

from spotify_gym.app.agents import EXPECTED, Learned
from spotify_gym.app.listening import dynamics_for_a_person
from spotify_gym.app.words import listed
from spotify_gym.catalogue import Catalogue
from spotify_gym.session import SessionDynamics
from spotify_gym.training import Run, RunError, RunFolder, load_run
from spotify_gym.training.learners import sessions_of

SHIPPED_RUN = Path(__file__).with_name("model")
"""The small trained model that comes with the package; `python -m tools.shipped_model` of a checkout makes it."""

_ABOUT = (
    "Knew nothing at first, and learned what to play by trial and error in {sessions:,} sessions of {env} "
    "(algorithm {algorithm}, policy {policy}, state {state}, seed {seed})."
)


def load_trained(
    folders: Sequence[str | Path] = (), catalogue: str | Path | Catalogue | None = None, *, trust: bool = False
) -> tuple[Learned, ...]:
    """Load trained agents; the first decides what a session is, and without `catalogue` what can be played.

    Args:
        folders: of the runs, one named twice counting once; none for the model that comes with the package.
        catalogue: what all of them play from; None for what the first was trained on.
        trust: load what can run code of its own, as :func:`spotify_gym.training.load_run` does.

    Raises:
        ValueError: a run or a table that is missing, damaged, or does not fit the others; it names which.
    """
    paths = list({Path(folder).resolve(): Path(folder) for folder in folders}.values())
    first = load_run(paths[0] if paths else SHIPPED_RUN, catalogue, trust=trust)
    first_dynamics = _dynamics(first)
    runs = [(first, first_dynamics), *(_beside(first, first_dynamics, path, trust) for path in paths[1:])]
    names = _names([run for run, _ in runs])
    return tuple(
        Learned(name, _about(run), dynamics, run, _value_name(run))
        for name, (run, dynamics) in zip(names, runs, strict=True)
    )


def length_of(run: Run) -> int:
    """Return how many tracks a session of the run's environment has."""
    length = gym.spec(run.config.env).max_episode_steps
    assert length is not None  # every environment of this package is truncated by its registration
    return length


def _dynamics(run: Run) -> SessionDynamics:
    return dynamics_for_a_person(sessions_of(run.config, run.catalogue, n_envs=1, whole=False).env.dynamics)


def _beside(first: Run, dynamics: SessionDynamics, path: Path, trust: bool) -> tuple[Run, SessionDynamics]:
    """Load a further run, with its rules, for the sessions of the first."""
    try:
        _check_features(RunFolder.open(path, trust), first.catalogue.feature_names)
        run = load_run(path, first.catalogue, trust=trust)
        own = _dynamics(run)
        _check_readable(own, dynamics)
    except ValueError as error:
        raise RunError(f"{path} cannot play beside {first.path}: {error}") from error
    return run, own


def _check_features(folder: RunFolder, feature_names: Sequence[str]) -> None:
    if folder.meta["catalogue"].get("feature_names") != list(feature_names):
        raise RunError(f"it learned from tracks that are measured otherwise than by {listed(feature_names)}")


def _check_readable(own: SessionDynamics, dynamics: SessionDynamics) -> None:
    """Refuse an agent that starts from more or fewer tracks."""
    if own.history_length != dynamics.history_length:
        raise RunError(
            f"its vibe is the mean of {own.history_length} tracks, and in these sessions it is one of "
            f"{dynamics.history_length}"
        )


def _about(run: Run) -> str:
    config = run.config
    return _ABOUT.format(
        sessions=config.total_steps // length_of(run),
        env=config.env,
        algorithm=config.algorithm,
        policy=config.policy,
        state=config.state,
        seed=config.seed,
    )


def _value_name(run: Run) -> str:
    """Say what an agent's scores are: returns, where it learns how much tracks earn."""
    return EXPECTED if hasattr(run.model.policy, "rank") or hasattr(run.model.policy, "q_net") else "how well it fits"


def _names(runs: Sequence[Run]) -> list[str]:
    """Name each run by what it is, and by as much of its folder's path as it takes to tell it from the others."""
    kinds = [(type(run.model).__name__, _short(run.config.env)) for run in runs]
    parts = [_readable(Path(run.path or "").resolve()).parts for run in runs]
    return [
        f"{algorithm} ({env})"
        if kinds.count((algorithm, env)) == 1
        else f"{algorithm} ({env}, {_tail(own, [other for other in parts if other != own])})"
        for (algorithm, env), own in zip(kinds, parts, strict=True)
    ]


def _short(env: str) -> str:
    return env.removeprefix("Spotify").partition("-v")[0]


def _tail(parts: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    tails = (parts[-depth:] for depth in range(1, len(parts) + 1))
    return next(str(PurePath(*tail)) for tail in tails if all(other[-len(tail) :] != tail for other in others))


def _readable(path: Path) -> Path:
    """Write out what is no text in a path: names of files are bytes, and need not be UTF-8."""
    return Path(str(path).encode(errors="backslashreplace").decode())
