"""Ablations of the exact maximum: Q-networks that maximise over a few candidate tracks, as in the literature.

Pass one of these policies instead of "CataloguePolicy", for example
`DoubleDQN(SampledPolicy, env, policy_kwargs={"n_candidates": 512})`. Candidates are proposed anew for every maximum,
both in the target and when acting.
"""

from __future__ import annotations

from math import ceil, log2
from typing import Any, ClassVar

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from spotify_gym.algorithms.catalogue_policy import CataloguePolicy, CatalogueQNetwork
from spotify_gym.algorithms.embeddings import unit
from spotify_gym.algorithms.networks import TopK
from spotify_gym.algorithms.state_encoder import DenseEncoder


class SampledQNetwork(CatalogueQNetwork):
    """Q(s, a) = f(s) · φ(x_a) + v(s), maximised over a few randomly drawn tracks.

    Stochastic Q-learning (Fourati, Aggarwal and Alouini 2024, https://arxiv.org/abs/2405.10310) shows that 2⌈log₂ N⌉
    candidates can be enough.

    Deviation from the paper: the candidates include no memory of previously good actions.

    Args:
        *args: as for `CatalogueQNetwork`.
        n_candidates: number of candidate tracks; None for 2⌈log₂ N⌉.
        **kwargs: as for `CatalogueQNetwork`.
    """

    def __init__(self, *args: Any, n_candidates: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert isinstance(self.action_space, spaces.Discrete)
        self.n_candidates = n_candidates or 2 * ceil(log2(max(int(self.action_space.n), 2)))

    def top_k(self, obs: PyTorchObs, k: int, played: th.Tensor | None = None) -> TopK:
        """Return the `k` best unplayed candidates of each state, (batch, min(k, n_candidates)).

        Raises:
            ValueError: all candidates of a state have been played.
        """
        recordings = self.recordings
        candidates = self.propose(obs)
        values, heard = self.score(obs, candidates), recordings.played(played)
        if heard is not None:
            values = values.masked_fill((candidates[:, :, None] == heard[:, None, :]).any(dim=2), -th.inf)
        values, places = values.topk(min(k, values.shape[1]), dim=1)
        if bool(values[:, 0].isneginf().any()):
            raise ValueError(f"all {candidates.shape[1]} candidates for a session have been played; use more")
        return TopK(values, candidates.gather(1, places))

    def propose(self, obs: Any) -> th.Tensor:
        """Return the candidates of each state, (batch, n_candidates), each the first action of its recording."""
        recordings = self.recordings
        return recordings.actions[th.randint(recordings.n, (len(obs), self.n_candidates), device=self.device)]

    def score(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return the Q-values, (batch, n), of actions (batch or 1, n) int64."""
        directions, values = self.encode(obs)
        vectors = self.embedding(self.recordings.units[actions])
        scores: th.Tensor = th.einsum("bw,bnw->bn", directions, vectors) + values
        return scores


class ShortlistQNetwork(SampledQNetwork):
    """Q(s, a) = f(s) · φ(x_a) + v(s), maximised over the tracks nearest to the vibe.

    Based on the Wolpertinger policy (Dulac-Arnold et al. 2015, https://arxiv.org/abs/1512.07679), which evaluates the
    nearest neighbours of an action proposed by an actor.

    Deviations from the paper: the proposal is the vibe, the first d numbers of the observation, not the output of an
    actor; neighbours are exact, by cosine, not approximate.
    """

    def propose(self, obs: Any) -> th.Tensor:
        """Return the recordings nearest to the vibe by cosine, (batch, min(n_candidates, n))."""
        recordings = self.recordings
        vibes = unit(obs.flatten(1)[:, : recordings.units.shape[1]])
        k = min(self.n_candidates, recordings.n)
        return recordings.unit_table.largest(vibes, k)[1]


class ActionHeadQNetwork(SampledQNetwork):
    """Q(s, a) = MLP(s, x_a), with one forward pass per candidate.

    This is the action head of AH-DQN, which Spotify uses to generate playlists (Tomasi et al. 2023,
    https://arxiv.org/abs/2310.09123).

    Deviation from the paper: candidates are drawn at random from the catalogue; the paper uses a pool per user.
    """

    device = BasePolicy.device  # the parent's reads a weight of `tower`, which is deleted here

    def __init__(self, *args: Any, net_arch: list[int] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, net_arch=net_arch, encoder="dense", **kwargs)
        assert isinstance(self.tower, DenseEncoder)
        self.encoder = self.tower.encoder
        del self.tower  # so that its weights are neither trained nor saved
        hidden = [64] if net_arch is None else net_arch
        self.head = nn.Sequential(
            *create_mlp(self.encoder.width + self.encoder.n_features + self.embedding.extra, 1, hidden)
        )

    def forward(self, obs: PyTorchObs) -> th.Tensor:
        """Return the Q-values of all actions, (batch, n_actions), computed one state at a time."""
        everything = th.arange(len(self.recordings.units), device=self.device)[None]
        return th.cat([self.score(state, everything) for state in obs.split(1)])  # type: ignore[union-attr]

    def taken(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return Q(s, a), (batch, 1), of the given actions, (batch, 1) int64."""
        return self.score(obs, actions)

    def score(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return the Q-values, (batch, n), of actions (batch, n) int64."""
        assert self.features_extractor is not None
        states = self.encoder(self.extract_features(obs, self.features_extractor))
        tracks = self.embedding(self.recordings.units[actions])
        pairs = th.cat([states[:, None].expand(-1, actions.shape[1], -1), tracks], dim=2)
        scores: th.Tensor = self.head(pairs).squeeze(2)
        return scores


class SampledPolicy(CataloguePolicy):
    """`CataloguePolicy` that maximises over `n_candidates` randomly drawn tracks."""

    network_class = SampledQNetwork
    network_options: ClassVar[dict[str, Any]] = {**CataloguePolicy.network_options, "n_candidates": None}


class ShortlistPolicy(SampledPolicy):
    """`CataloguePolicy` that maximises over the tracks nearest to the vibe."""

    network_class = ShortlistQNetwork


class ActionHeadPolicy(SampledPolicy):
    """AH-DQN's policy over randomly drawn tracks."""

    network_class = ActionHeadQNetwork
    network_options: ClassVar[dict[str, Any]] = {
        name: default for name, default in SampledPolicy.network_options.items() if name != "encoder"
    }
