"""Regret and estimation error by place in the session: `python -m experiments.regret --catalogue TABLE`.

Regret is the probability that the best unplayed track would be heard out minus that of the track played, both in the
listener's true state. The estimation error is the angle between the true taste and the direction in which the policy
searches for tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import pandas as pd
import tyro
from numpy.typing import NDArray

from experiments.lib import Case, Study, learner_name, main, scale_of
from experiments.lib.plots import figure, styles
from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import POLICIES, NearestPolicy, SeenPolicy
from spotify_gym.session import SessionState
from spotify_gym.training import EVALUATION_SEED, TrainConfig, evaluate
from spotify_gym.training.recommendation import directions_of

Numbers = NDArray[np.float64]

PLACES = (1, 2, 3, 5, 10, 20, 30, 50)
"""Places in the session to measure at."""
_AT_ONCE = 64  # sessions in parallel


@dataclass(frozen=True)
class Regret(Study):
    """Measure how fast policies learn a listener's taste in a session; a repeated call resumes where it stopped."""

    config: tyro.conf.OmitArgPrefixes[TrainConfig] = field(
        default_factory=lambda: TrainConfig.template(env="SpotifyTaste-v0", algorithm="double", steps=20_000)
    )
    n_seeds: int = 3
    policies: tuple[str, ...] = tuple(name for name, policy in POLICIES.items() if issubclass(policy, SeenPolicy))
    """Reference policies to compare the learner with."""
    out: Path = Path("results/regret")

    scale: ClassVar[tuple[str, ...]] = ("fixed", "nearest", "planner")

    def methods(self) -> Iterator[Case]:
        """Yield the learner, and each reference that knows only what is seen."""
        references = scale_of(self.config, references=self.policies)
        if not references:
            raise ValueError(f"{self.config.env} has no hidden taste for {' or '.join(self.policies)}")
        yield WatchedCase(learner_name(self.config), self.config)
        yield from (WatchedCase(case.method, case.config, case.reference) for case in references)

    def tables(self, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield return and skill, then regret and angle by place."""
        yield from super().tables(rows)
        watched = rows[rows["regret_1"].notna()] if "regret_1" in rows else rows.iloc[:0]
        for measure, form in ("regret", "{:.3f}"), ("angle", "{:.0f}°"):
            means = watched.groupby("method", sort=False)[[f"{measure}_{place}" for place in PLACES]].mean()
            table = means.map(form.format).set_axis([f"place {place}" for place in PLACES], axis=1)
            yield f"{measure} by place in the session", table.reset_index()

    def draw(self, rows: pd.DataFrame) -> None:
        """Draw regret and angle by place."""
        super().draw(rows)
        watched = rows[rows["regret_1"].notna()]
        with figure(self.out / "regret.png", 2) as panels:
            for axes, measure in zip(panels, ("regret", "angle"), strict=True):
                columns = [f"{measure}_{place}" for place in PLACES]
                for method, style in styles(watched["method"]).items():
                    means = watched.loc[watched["method"] == method, columns].mean().to_numpy()
                    axes.plot(PLACES, means, label=method, color=style.colour, ls=style.dashes)
                title = {"regret": "regret", "angle": "angle to the true taste [°]"}[measure]
                axes.set(xlabel="place in the session", title=title)
            panels[0].legend()


@dataclass(frozen=True)
class WatchedCase(Case):
    """A method whose regret and angle are measured in each session."""

    def measured(self, policy: Any, catalogue: Catalogue) -> pd.DataFrame:
        """Evaluate the policy, then replay its tracks to measure regret and angle."""
        options = {"catalogue": catalogue, **self.config.env_options}
        played = evaluate(policy, self.config.env, self.n_sessions, **options)
        tracks, rows = played.tracks, self.rows_of(played)
        parts = [
            self._watched(policy, EVALUATION_SEED + start, tracks[start : start + _AT_ONCE], options)
            for start in range(0, len(tracks), _AT_ONCE)
        ]
        regret, angle = map(np.concatenate, zip(*parts, strict=True))
        columns = [f"{measure}_{place}" for measure in ("regret", "angle") for place in PLACES]
        return rows.join(pd.DataFrame(np.hstack([regret, angle]), columns=columns))

    def _watched(
        self, policy: Any, seed: int, tracks: NDArray[np.int64], options: dict[str, Any]
    ) -> tuple[Numbers, Numbers]:
        """Return regret and angle [degrees], (B, n_places) each; NaN after the end of a session."""
        env: Any = gym.make_vec(self.config.env, num_envs=len(tracks), **options)
        best, direction = NearestPolicy(env), direction_of(policy, env)
        observations, _ = env.reset(seed=seed)
        regret, angle = np.full((2, len(tracks), len(PLACES)), np.nan)
        for t in range(tracks.shape[1]):
            going = np.flatnonzero(tracks[:, t] >= 0)
            if len(going) and 1 + t in PLACES:
                at = going, PLACES.index(1 + t)
                believed, taste = direction(observations, env.sessions)[going], env.sessions.listener.taste[going]
                cosine = np.vecdot(believed, taste) / np.maximum(np.linalg.norm(believed, axis=1), 1e-9)
                angle[at] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
                sessions, played = env.sessions.take(going), tracks[going, t]
                earned = np.diag(env.dynamics.expected_rewards(sessions, played))
                regret[at] = best.rank(sessions, 1).values[:, 0] - earned
            observations, *_ = env.step(np.maximum(tracks[:, t], 0))
        return regret, angle


def direction_of(policy: Any, env: Any) -> Callable[[NDArray[np.float32], SessionState], Any]:
    """Return a function from observations (B, k) and sessions to the policy's search directions, (B, d).

    `policy` is a learner over the catalogue, or a factory of a reference policy, which is then made for `env`.
    """
    if hasattr(policy, "predict") and not isinstance(policy, type):
        return lambda observations, _: directions_of(policy, observations)
    made = policy(env)
    return lambda _, sessions: made.directions(sessions)


if __name__ == "__main__":
    main(Regret)
