"""What is worth seeing: the state options against each other, `python -m experiments.states --catalogue TABLE`.

The vibe of the last tracks is not all that could be known of a session: a longer memory, the genres, the five tracks
themselves, or how the listener responds may be worth more, or may only be more to learn.
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
"""States that are worth a comparison."""

TOLD = ("mean+responses", "taste", "ucb")
"""States that are, where a listener hides something."""

SILENT = {"SpotifySatiation-v0": "SilentSatiatedListener", "SpotifySkip-v0": "SilentSkippingListener"}
"""The environments whose listener shows something, each with the same listener who does not."""


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
            config = replace(self.config, env=env)
            told = TOLD if env in BEST_SEEN else ()
            for state in dict.fromkeys(("mean", *(self.states or (*can_show, *told)))):
                yield Case(state, replace(config, state=state))
            if env in SILENT:
                silent = f"experiments.states:{SILENT[env]}"
                yield SilentCase("mean, no feedback", replace(config, state="mean", listener=silent))

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


class SilentCase(Case):
    """A learner that does not see how the listener responds; its task is that of those who do."""

    @property
    def task(self) -> str:
        """Name the task."""
        return Case(self.method, replace(self.config, listener=None)).task


if __name__ == "__main__":
    main(States)
