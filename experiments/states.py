"""Comparison of the state options: `python -m experiments.states --catalogue TABLE`.

A state may hold more than the vibe: a longer memory, the genres, the last tracks themselves, or the listener's
responses. These may help the learner, or only make learning harder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.lib import FAMILY, Case, Study, main
from spotify_gym.listeners import Listener, SatiatedListener, SkippingListener
from spotify_gym.policies import BEST_SEEN
from spotify_gym.training.vec_adapter import catalogue_of

COMPARED = ("mean", "decayed", "mean+decayed", "mean+genres", "history", "mean+history")
"""States to compare."""

TOLD = ("mean+responses", "taste", "ucb", "belief")
"""Additional states for environments in which the listener has a hidden state."""

SILENT = {"SpotifySatiation-v0": "SilentSatiatedListener", "SpotifySkip-v0": "SilentSkippingListener"}
"""Environments whose listener gives feedback, each with the same listener without feedback."""


@dataclass(frozen=True)
class States(Study):
    """Train one learner on every state, all else equal; a repeated call resumes where it stopped."""

    envs: tuple[str, ...] = FAMILY
    """Environments."""
    states: tuple[str, ...] = ()
    """States to compare with "mean"; none: all that the catalogue supports."""
    out: Path = Path("results/states")

    def methods(self) -> Iterator[Case]:
        """Yield each state, and "mean" without the listener's feedback if there is any."""
        has_genres = catalogue_of(self.config).genres is not None
        can_show = [state for state in COMPARED if has_genres or "genres" not in state]
        for env in self.envs:
            config = replace(self.config, env=env)
            told = TOLD if env in BEST_SEEN else ()
            for state in dict.fromkeys(("mean", *(self.states or (*can_show, *told)))):
                yield Case(state, replace(config, state=state))
            if env in SILENT:
                silent = f"experiments.states:{SILENT[env]}"
                yield SilentCase("mean, no feedback", replace(config, state="mean", listener=silent))

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Compare each state with the mean."""
        return [(state, "mean") for state in learners if state != "mean"]


class SilentSatiatedListener(SatiatedListener):
    """`SatiatedListener` whose satiation is not observed."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


class SilentSkippingListener(SkippingListener):
    """`SkippingListener` whose skips are not observed."""

    visible = Listener.visible  # type: ignore[assignment]
    visible_bounds = Listener.visible_bounds  # type: ignore[assignment]


class SilentCase(Case):
    """A learner without feedback from the listener, listed under the same task as those with feedback."""

    @property
    def task(self) -> str:
        """Name of the task with the environment's own listener."""
        return Case(self.method, replace(self.config, listener=None)).task


if __name__ == "__main__":
    main(States)
