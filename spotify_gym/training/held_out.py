"""The sessions that everybody plays, and what the policies that do not learn earn in them, worked out once and kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from spotify_gym.catalogue import Catalogue
from spotify_gym.policies import POLICIES
from spotify_gym.registry import resolve
from spotify_gym.session import SessionDynamics
from spotify_gym.training.errors import RunError
from spotify_gym.training.evaluation import Evaluation, Player, PolicyFactory, evaluate
from spotify_gym.training.tensors import Tensors, read_tensors, write_tensors


@dataclass(frozen=True)
class HeldOut:
    """Held-out sessions: the same game for all who play it."""

    env_id: str
    """The environment."""
    env_options: dict[str, Any]
    """Its options, as plain values."""
    catalogue: Catalogue
    """What can be played."""
    n_sessions: int
    """How many sessions."""
    seed: int
    """Of the first session."""

    @property
    def dynamics(self) -> SessionDynamics:
        """The rules that they are played by."""
        env: Any = gym.make(self.env_id, catalogue=self.catalogue, **self.env_options)
        dynamics: SessionDynamics = env.unwrapped.dynamics
        return dynamics

    def played_by(self, player: Player | PolicyFactory) -> Evaluation:
        """Let somebody play."""
        options = {"catalogue": self.catalogue, **self.env_options}
        return evaluate(player, self.env_id, self.n_sessions, self.seed, **options)

    def played_by_reference(self, name: str, shelf: Path | None = None) -> Evaluation:
        """Let a policy that does not learn play, which may take minutes, or look up how it fared the last time.

        Args:
            name: one of `POLICIES`, or one's own as `module:Class`.
            shelf: folder that such results are kept in; None: none are.
        """
        policy = resolve("policy", name, POLICIES)
        if shelf is None:
            return self.played_by(policy)
        file = shelf / f"{name}-{self._key}.safetensors"
        try:
            arrays, facts = read_tensors(file)
            kept: dict[str, Any] = {**arrays, **facts}
            return Evaluation(self.catalogue, **kept)
        except (RunError, TypeError):  # not there yet, or damaged
            evaluation = self.played_by(policy)
        with suppress(OSError):  # a folder that cannot be written to costs time, not the answer
            shelf.mkdir(exist_ok=True)
            write_tensors(file, Tensors(evaluation.arrays, {"seconds": evaluation.seconds}))
        return evaluation

    @property
    def _key(self) -> str:
        """Another one for other sessions, and for another version of this program."""
        version = importlib.metadata.version("spotify_gym")
        sessions = [self.env_id, self.env_options, self.catalogue.fingerprint, self.n_sessions, self.seed, version]
        return hashlib.blake2b(json.dumps(sessions, sort_keys=True).encode(), digest_size=8).hexdigest()
