"""Offline reinforcement learning from logged sessions: `python -m experiments.offline --catalogue TABLE`.

Sessions of a behaviour policy are logged as a Minari dataset. A learner of the DQN family, its conservative variant
(CQL), and behaviour cloning learn from the dataset without a step in the environment. They are compared with the same
learner trained online with as many steps and updates, and with the behaviour policy.
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
    """Log sessions, learn from them alone, and evaluate; a repeated call resumes where it stopped.

    The dataset is logged once, to the folder `minari` of the results; runs differ only in their training seed.
    """

    behaviour: Literal["random", "popular", "nearest"] = "nearest"
    """Behaviour policy, which plays the logged sessions."""
    epsilon: float = 0.5
    """Probability that it plays a random track instead."""
    n_logged: int = 1000
    """Sessions to log; 1,000 sessions of 20 tracks equal the learner's default number of online steps."""
    out: Path = Path("results/offline")

    def methods(self) -> Iterator[Case]:
        """Log the dataset; yield the behaviour policy, the three offline methods, and the online learner."""
        (task,) = scale_of(self.config, references=[self.behaviour])
        log = Log(replace(task.config, state=self.config.state), self.behaviour, self.epsilon, self.n_logged)
        data = str(log.written(self.out / "minari"))
        yield OfflineCase(BEHAVIOUR, self.config, self.behaviour, how="logged", epsilon=self.epsilon)
        yield OfflineCase(f"{learner_name(self.config)}, offline", self.config, how="offline", data=data)
        yield OfflineCase(CONSERVATIVE, self.config, how="conservative", data=data)
        yield OfflineCase(CLONING, self.config, how="cloned", data=data)
        yield Case(f"{learner_name(self.config)}, online", self.config)

    def pairs(self, learners: list[str]) -> list[tuple[str, str]]:
        """Compare the offline learner with the other methods."""
        offline, conservative, cloning, online = learners
        return [(offline, one) for one in (conservative, cloning, BEHAVIOUR, online)]


@dataclass(frozen=True)
class OfflineCase(Case):
    """A method that learns from a dataset, or the behaviour policy."""

    how: Literal["logged", "offline", "conservative", "cloned"] = "offline"
    data: str = ""
    """Folder of the Minari dataset."""
    epsilon: float = 0.0
    """Probability of a random track, of the behaviour policy."""

    def policy(self, catalogue: Catalogue) -> Any:
        """Return the trained model, or the factory of the behaviour policy."""
        if self.reference is not None:
            return partial(MixedPolicy, policy=self.reference, epsilon=self.epsilon)
        learn = {"offline": learn_offline, "conservative": learn_conservatively, "cloned": clone}[self.how]
        return learn(self.config, Path(self.data), catalogue)


if __name__ == "__main__":
    main(Offline)
