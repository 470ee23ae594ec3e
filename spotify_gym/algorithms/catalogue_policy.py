"""Q-networks over track features, which generalise across the catalogue and to catalogues not seen in training."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from spotify_gym.algorithms.compatibility import blocks_of, check_alike, n_features_of, vectors_of
from spotify_gym.algorithms.embeddings import FixedEmbedding, LearnedEmbedding, Recordings, Table, Tracks
from spotify_gym.algorithms.networks import Adam as Adam  # older saved policies refer to it here
from spotify_gym.algorithms.networks import DenseQNetwork, TopK
from spotify_gym.algorithms.policies import MlpPolicy
from spotify_gym.algorithms.state_encoder import AttentionEncoder, DenseEncoder, MixtureEncoder

ENCODERS: dict[str, type[MixtureEncoder | AttentionEncoder]] = {
    "mixture": MixtureEncoder,
    "attention": AttentionEncoder,
}
"""State encoders that read the feature vectors in an observation; "dense" is handled separately."""

EMBEDDINGS: dict[str, type[FixedEmbedding | LearnedEmbedding]] = {"fixed": FixedEmbedding, "learned": LearnedEmbedding}

DENSE_ONLY: dict[str, Any] = {"track_embedding": "fixed", "unit_state": True, "layer_norm": False}
"""Options of the dense encoder; other encoders accept only these values. Only older files set the last two."""


class CatalogueQNetwork(BasePolicy):
    """Q(s, a) = f(s) · φ(x_a) + v(s), the dot product of a state encoding and a track embedding.

    The maximum over all tracks is exact, and no (batch, n_tracks) array of scores is built. A pruned search skips
    tracks that cannot win (:mod:`~spotify_gym.search.pruned`); if φ is learned, or if pruning saves nothing, all
    tracks are scanned in chunks (:mod:`~spotify_gym.search.exact_topk`). Two-tower retrieval models (Yi et al. 2019)
    and DQN with action embeddings (Dulac-Arnold et al. 2015, https://arxiv.org/abs/1512.07679) search approximately.

    Args:
        observation_space: flat, (k,).
        action_space: `Discrete`, with features; see :mod:`~spotify_gym.algorithms.compatibility`.
        features_extractor: as in SB3.
        features_dim: width of the extracted features.
        net_arch: widths of the hidden layers.
        activation_fn: activation between layers.
        normalize_images: as in SB3.
        track_embedding: "fixed" for the unit features, "learned" for these and a few learned coordinates.
        encoder: state encoder: "mixture" or "attention" over the `blocks` of the observation space, or "dense".
        **former: options of the dense encoder that only older files set.

    Raises:
        ValueError: another encoder than "dense" gets extracted features of another width than the observation.
    """

    dueling: ClassVar[bool] = False

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        features_extractor: Any,
        features_dim: int,
        net_arch: list[int] | None = None,
        activation_fn: type[nn.Module] = nn.ReLU,
        normalize_images: bool = True,
        track_embedding: Literal["fixed", "learned"] = "fixed",
        encoder: Literal["mixture", "attention", "dense"] = "dense",
        **former: bool,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor=features_extractor,
            normalize_images=normalize_images,
        )
        n_features = n_features_of(action_space)
        self.embedding = EMBEDDINGS[track_embedding](n_features)
        width, hidden = n_features + self.embedding.extra, [64] if net_arch is None else net_arch
        self.tower: MixtureEncoder | AttentionEncoder | DenseEncoder  # the name is part of the file format
        if encoder != "dense":
            blocks = vectors_of(observation_space, n_features)
            if features_dim != get_flattened_obs_dim(observation_space):
                raise ValueError(
                    f"{encoder=} reads the vectors of the observation, which {type(features_extractor).__name__} "
                    "changes; leave features_extractor_class out, or choose policy_kwargs={'encoder': 'dense'}"
                )
            self.tower = ENCODERS[encoder](blocks, features_dim, hidden, activation_fn)
        else:
            self.tower = DenseEncoder(features_dim, n_features, width, hidden, activation_fn, **former)
        self._one: tuple[Any] = (self.tower.value[0].weight,)  # the tuple keeps PyTorch from registering it again
        self.tracks = Tracks(action_space)
        self._learned: tuple[Recordings, th.Tensor, Table] | None = None  # cached table, with what it was made from

    @property
    def device(self) -> th.device:
        """Device of the weights, without SB3's walk through all modules."""
        device: th.device = self._one[0].device
        return device

    @property
    def recordings(self) -> Recordings:
        """The recordings that can be played, on the device of the weights."""
        return self.tracks.on(self.device)

    def forward(self, obs: PyTorchObs) -> th.Tensor:
        """Return the Q-values of all actions, (batch, n_actions), for small catalogues and for stock SB3."""
        directions, values = self.encode(obs)
        scores: th.Tensor = directions @ self.embedding(self.recordings.units).T + values
        return scores

    def taken(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return Q(s, a), (batch, 1), of the given actions, (batch, 1) int64."""
        directions, values = self.encode(obs)
        vectors = self.embedding(self.recordings.units[actions[:, 0]])
        scores: th.Tensor = (directions * vectors).sum(dim=1, keepdim=True) + values
        return scores

    def best(self, obs: PyTorchObs, played: th.Tensor | None = None) -> TopK:
        """Return the best action of each state, (batch, 1), excluding all versions of `played`, (batch, width)."""
        return self.top_k(obs, 1, played)

    def top_k(self, obs: PyTorchObs, k: int, played: th.Tensor | None = None) -> TopK:
        """Return the `k` best unplayed recordings of each state, (batch, min(k, n)), each as its first action."""
        recordings, table = self.recordings, self.table()
        directions, values = self.encode(obs)
        k = min(k, recordings.n)
        products, actions = table.largest(directions, k, recordings.played(played))
        return TopK(products + values, actions)

    def best_of(self, obs: PyTorchObs, allowed: th.Tensor) -> TopK:
        """Return the best action of each state, (batch, 1), within the mask `allowed`, (batch, n)."""
        # One state at a time: the values of all actions for a whole batch may not fit in memory.
        best = [self(obs[i, None]).masked_fill(~mask, -th.inf).max(dim=1) for i, mask in enumerate(allowed)]  # type: ignore[index]
        return TopK(th.stack([row.values for row in best]), th.stack([row.indices for row in best]))

    def encode(self, obs: PyTorchObs) -> tuple[th.Tensor, th.Tensor]:
        """Return f(s), (batch, width), and v(s), (batch, 1); the dueling form subtracts the mean advantage from v."""
        assert self.features_extractor is not None
        directions, values = self.tower(self.extract_features(obs, self.features_extractor))
        if self.dueling:
            values = values - (directions @ self.table().mean)[:, None]
        return directions, values

    def table(self) -> Table:
        """Return φ of all tracks; a learned φ is recomputed only when its weights have changed."""
        recordings = self.recordings
        if isinstance(self.embedding, FixedEmbedding):
            return recordings.unit_table  # shared by the online and the target network
        with th.no_grad():
            weights = nn.utils.parameters_to_vector(self.embedding.parameters())
            if self._learned is None or self._learned[0] is not recordings or not th.equal(self._learned[1], weights):
                table = Table(self.embedding(recordings.units), recordings.actions, lasts=False)
                self._learned = recordings, weights, table
        return self._learned[2]

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        return self.best(observation).actions[:, 0]


class DuelingCatalogueQNetwork(CatalogueQNetwork):
    """Q(s, a) = V(s) + f(s) · φ(x_a) − f(s) · mean_b φ(x_b): the dueling form (Wang et al. 2016), equation 9.

    The mean of the dot products is the dot product with the mean embedding, so the exact mean over all tracks costs as
    much as one track.

    Deviations from the paper: those of `DuelingQNetwork`; a learned φ gets no gradient through its mean.
    """

    dueling = True


class CataloguePolicy(MlpPolicy):
    """DQN policy with a `CatalogueQNetwork`, for actions with features.

    The online and the target network share the track table. A saved file holds only the weights, well under 1 MB for
    any catalogue. The policy plays from any catalogue with the same features and scaling.

    Args:
        *args: as for SB3's `DQNPolicy`.
        **kwargs: as for SB3's `DQNPolicy`, and any of `network_options`. `encoder=None` selects "mixture" if the
            observation space names `blocks`, else "dense".
    """

    network_class: ClassVar[type[Any]] = CatalogueQNetwork
    network_options: ClassVar[dict[str, Any]] = {"encoder": None, **DENSE_ONLY}
    adam_options: ClassVar[dict[str, Any]] = {"fused": True}  # one kernel updates all weights
    check_spaces = staticmethod(check_alike)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._options = {name: kwargs.pop(name, default) for name, default in self.network_options.items()}
        super().__init__(*args, **kwargs)

    @property
    def device(self) -> th.device:
        """Device of the weights."""
        return self.q_net.device if "q_net" in self._modules else super().device  # asked before `q_net` exists

    def make_q_net(self) -> DenseQNetwork:
        """Return a new Q-network; called once for the online and once for the target network."""
        if "encoder" in self._options:
            self.encoder = self._options["encoder"] = self._checked_encoder()
        net_args = self._update_features_extractor({**self.net_args, **self._options}, features_extractor=None)
        net: Any = self.network_class(**net_args).to(self.device)
        net.tracks = getattr(self, "q_net", net).tracks
        return net  # type: ignore[no-any-return]

    def _checked_encoder(self) -> str:
        chosen: str | None = self._options["encoder"]
        for_dense = [name for name in DENSE_ONLY if self._options[name] != self.network_options[name]]
        if chosen is None:
            return "mixture" if blocks_of(self.observation_space) and not for_dense else "dense"
        if chosen not in (*ENCODERS, "dense"):
            raise ValueError(f"encoder={chosen!r} is not known; choose 'mixture', 'attention' or 'dense'")
        if chosen != "dense" and for_dense:
            raise ValueError(f"{for_dense[0]}={self._options[for_dense[0]]!r} requires encoder='dense'")
        return chosen

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Switch to the catalogue of this action space.

        Raises:
            BindingError: the features, their scaling or the shape of the observations differ from training.
        """
        if self.encoder != "dense":
            vectors_of(observation_space, n_features_of(self.action_space))
        super().bind(observation_space, action_space)
        nets: list[Any] = [self.q_net, self.q_net_target]
        nets[0].tracks = nets[1].tracks = Tracks(action_space)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self._options}


class DuelingCataloguePolicy(CataloguePolicy):
    """`CataloguePolicy` with a dueling network."""

    network_class = DuelingCatalogueQNetwork
