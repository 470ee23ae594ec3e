"""Learning from logs alone, `python -m experiments.offline --catalogue TABLE`.

Sessions that some other policy has played are kept as a Minari dataset. A learner of the DQN family, the same held down
where the logs are silent (CQL), and behaviour cloning learn from these without a step in the environment. They meet
there the same learner trained online with as many steps and updates, and whoever played the logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from experiments.lib import Case, Study, learner_name, main, scale_of
from experiments.logged.behaviour import MixedPolicy
from experiments.logged.dataset import Log
from experiments.logged.learning import clone, learn_conservatively, learn_offline
from spotify_gym.catalogue import Catalogue

CLONING, BEHAVIOUR, CONSERVATIVE = "behaviour cloning", "who played the logs", "CQL"


@dataclass(frozen=True)
class Offline(Study):
    """Log sessions, learn from them alone, and play; a second call goes on where the first one stopped.

    The data are logged once, as Minari's, into `minari` in the folder of the results; runs differ by what they draw.
    """

    behaviour: Literal["random", "popular", "nearest"] = "nearest"
    """Who plays the logs."""
    epsilon: float = 0.5
    """Probability that they play any track instead."""
    n_logged: int = 1000
    """Sessions to log; 1,000 of 20 tracks are as many steps as the learner takes online by default."""
    out: Path = Path("results/offline")

    def methods(self) -> Iterator[Case]:
        """Log, and give who did so, who learns from that in either way, and who learns online."""
        (task,) = scale_of(self.config, references=[self.behaviour])
        log = Log(replace(task.config, state=self.config.state), self.behaviour, self.epsilon, self.n_logged)
        data = str(log.written(self.out / "minari"))
        yield OfflineCase(BEHAVIOUR, self.config, self.behaviour, how="logged", epsilon=self.epsilon)
        yield OfflineCase(f"{learner_name(self.config)}, offline", self.config, how="offline", data=data)
        yield OfflineCase(CONSERVATIVE, self.config, how="conservative", data=data)
        yield OfflineCase(CLONING, self.config, how="cloned", data=data)
        yield Case(f"{learner_name(self.config)}, online", self.config)

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Set learning from logs against the others."""
        offline, conservative, cloning, online = learners
        return [(offline, one) for one in (conservative, cloning, BEHAVIOUR, online)]


@dataclass(frozen=True)
class OfflineCase(Case):
    """A method that learns from a dataset, or the policy that played it."""

    how: Literal["logged", "offline", "conservative", "cloned"] = "offline"
    data: str = ""
    """Folder of the Minari dataset."""
    epsilon: float = 0.0
    """Of the policy that played the logs."""

    def policy(self, catalogue: Catalogue) -> Any:
        """Learn, or return the factory of the policy that played the logs."""
        if self.reference is not None:
            return partial(MixedPolicy, policy=self.reference, epsilon=self.epsilon)
        learn = {"offline": learn_offline, "conservative": learn_conservatively, "cloned": clone}[self.how]
        return learn(self.config, Path(self.data), catalogue)


if __name__ == "__main__":
    main(Offline)
