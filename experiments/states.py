"""What is worth seeing: the state options against each other, `python -m experiments.states --catalogue TABLE`.

The vibe of the last tracks is not all that could be known of a session: a longer memory, the genres, the five tracks
themselves, or how the listener responds may be worth more, or may only be more to learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym

from experiments.lib import FAMILY, Case, Study, main
from spotify_gym.catalogue import Catalogue
from spotify_gym.listeners import Listener, SatiatedListener, SkippingListener
from spotify_gym.training import SessionVecEnv
from spotify_gym.training.learners import catalogue_of, learner_of
from spotify_gym.training.trainer import one_thread

COMPARED = ("mean", "decayed", "mean+decayed", "mean+genres", "history", "mean+history")
"""States that are worth a comparison."""


@dataclass(frozen=True)
class States(Study):
    """Train one learner on every state, everything else equal; a second call goes on where it stopped."""

    envs: tuple[str, ...] = FAMILY
    """Environments."""
    states: tuple[str, ...] = ()
    """States beside "mean"; none: all that the catalogue can show."""
    out: Path = Path("results/states")

    def methods(self) -> Iterator[Case]:
        """Give each state, and where the listener shows how they respond, the mean without that."""
        has_genres = catalogue_of(self.config).genres is not None
        can_show = [state for state in COMPARED if has_genres or "genres" not in state]
        for env in self.envs:
            for state in dict.fromkeys(("mean", *(self.states or can_show))):
                yield Case(state, replace(self.config, env=env, state=state))
            if env in SILENT:
                yield SilentCase("mean, no feedback", replace(self.config, env=env, state="mean"))

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Set each against the mean."""
        return [(state, "mean") for state in learners if state != "mean"]


class SilentSatiatedListener(SatiatedListener):
    """Tires of what sounds alike, and does not show it."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


class SilentSkippingListener(SkippingListener):
    """Skips, and the agent does not learn of it."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


SILENT: dict[str, Listener[Any]] = {
    "SpotifySatiation-v0": SilentSatiatedListener(),
    "SpotifySkip-v0": SilentSkippingListener(),
}
"""The environments whose listener shows something, each with the same listener who does not."""


@dataclass(frozen=True)
class SilentCase(Case):
    """A learner that is kept from seeing how the listener responds."""

    @property
    def env_options(self) -> dict[str, Any]:
        """The options of the environment, the silent listener among them."""
        return {**super().env_options, "listener": SILENT[self.config.env]}

    def policy(self, catalogue: Catalogue) -> Any:
        """Train with the silent listener."""
        config, options = self.config, {"autoreset_mode": "SameStep", "catalogue": catalogue, **self.env_options}
        env: Any = gym.make_vec(config.env, num_envs=config.n_envs, **options)
        sessions = SessionVecEnv(env)
        with one_thread():
            model = learner_of(config, sessions)
            sessions.seed(config.first_seed)
            return model.learn(config.total_steps)


if __name__ == "__main__":
    main(States)
