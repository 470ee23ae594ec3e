"""Q-values from what tracks sound like: one network for the whole catalogue, and for catalogues it never saw."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch as th
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from spotify_gym.algorithms.compatibility import check_alike, features_of, n_features_of
from spotify_gym.algorithms.embeddings import FixedEmbedding, LearnedEmbedding, Recordings, Table
from spotify_gym.algorithms.networks import DenseQNetwork, TopK
from spotify_gym.algorithms.policies import MlpPolicy
from spotify_gym.algorithms.state_encoder import DenseEncoder, StateInput
from spotify_gym.search import exact_topk

EMBEDDINGS: dict[str, type[FixedEmbedding | LearnedEmbedding]] = {"fixed": FixedEmbedding, "learned": LearnedEmbedding}
REFRESH = 50
"""Scans after which a learned table is computed anew while training; what it says is then that much behind."""


class CatalogueQNetwork(BasePolicy):
    """Q(s, a) = f(s) · φ(x_a) + v(s), the dot product of a state and a track.

    The maximum over all tracks is exact and never holds a score for every pair: a scan keeps the best of each block of
    tracks (:mod:`~spotify_gym.search.exact_topk`). Related are the two-tower retrieval models (Yi et al. 2019) and DQN
    with action embeddings (Dulac-Arnold et al. 2015, https://arxiv.org/abs/1512.07679), who search approximately.

    Args:
        observation_space: flat, (k,).
        action_space: `Discrete`, with features; see :mod:`~spotify_gym.algorithms.compatibility`.
        features_extractor: SB3's.
        features_dim: its width.
        net_arch: widths of the hidden layers.
        activation_fn: between layers.
        normalize_images: SB3's.
        track_embedding: "fixed", the unit features, or "learned", these and a few learned coordinates.
        unit_state: bring the blocks of the observation to unit length.
        layer_norm: normalise the hidden layers.
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
        unit_state: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor=features_extractor,
            normalize_images=normalize_images,
        )
        n_features = n_features_of(action_space)
        self.embedding = EMBEDDINGS[track_embedding](n_features)
        encoder = StateInput(features_dim, n_features, unit_state)
        hidden = [64] if net_arch is None else net_arch
        self.tower = DenseEncoder(encoder, self.embedding.width, hidden, activation_fn, layer_norm)
        self.recordings: Recordings | None = None
        self._table: Table | None = None
        self._scans = 0

    def forward(self, obs: PyTorchObs) -> th.Tensor:
        """Return Q of every action, (batch, n_actions): for small catalogues and for stock SB3."""
        recordings = self._known()
        directions, values = self._state(obs)
        vectors = self.embedding(recordings.units)
        scores: th.Tensor = directions @ vectors.T + values
        return scores[:, recordings.of_action]

    def taken(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return Q(s, a) of the given actions, (batch, 1), which are int64 of the same shape."""
        recordings = self._known()
        directions, values = self._state(obs)
        vectors = self.embedding(recordings.units[recordings.of_action[actions[:, 0]]])
        scores: th.Tensor = (directions * vectors).sum(dim=1, keepdim=True) + values
        return scores

    def best(self, obs: PyTorchObs, played: th.Tensor | None = None) -> TopK:
        """Return the best action of each state, (batch, 1), leaving out all versions of the `played` (batch, width)."""
        return self.top_k(obs, 1, played)

    def top_k(self, obs: PyTorchObs, k: int, played: th.Tensor | None = None) -> TopK:
        """Return the `k` best recordings of each state, (batch, k or all), by first action, none of them `played`."""
        recordings, table = self._known(), self._current_table()
        directions, values = self._state(obs)
        k = min(k, recordings.n)
        products, places = exact_topk.largest(table.columns, recordings.n, directions, k, recordings.played(played))
        return TopK(products + values, recordings.actions[places])

    def best_of(self, obs: PyTorchObs, allowed: th.Tensor) -> TopK:
        """Return the best action of each state, (batch, 1), of those `allowed`, a mask (batch or 1, n)."""
        masks = allowed.expand(len(obs), -1)  # a state at a time: values of all actions for all would not fit
        best = [self(obs[i, None]).masked_fill(~mask, -th.inf).max(dim=1) for i, mask in enumerate(masks)]  # type: ignore[index]
        return TopK(th.stack([row.values for row in best]), th.stack([row.indices for row in best]))

    def know(self, recordings: Recordings | None) -> None:
        """Know these tracks from now on, or none until they are asked for."""
        self.recordings, self._table = recordings, None

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Take over weights, as PyTorch's; what was computed from the former ones is forgotten."""
        self._table = None
        return super().load_state_dict(*args, **kwargs)

    def train(self, mode: bool = True) -> CatalogueQNetwork:
        """Switch between training and playing; playing begins with a table of the weights as they are."""
        if not mode and self.training:
            self._scans = REFRESH
        return super().train(mode)

    def _known(self) -> Recordings:
        if self.recordings is None:
            self.recordings = Recordings(self.action_space, self.device)  # type: ignore[arg-type]
        return self.recordings

    def _state(self, obs: PyTorchObs) -> tuple[th.Tensor, th.Tensor]:
        """Return f and v; in the dueling form v is what remains when the mean advantage is taken off."""
        assert self.features_extractor is not None
        directions, values = self.tower(self.extract_features(obs, self.features_extractor))
        if self.dueling:
            values = values - (directions @ self._current_table().mean)[:, None]
        return directions, values

    def _current_table(self) -> Table:
        """Return φ of all tracks; a learned one is computed anew every so often."""
        recordings = self._known()
        if isinstance(self.embedding, FixedEmbedding):
            return recordings.unit_table  # one for the online and the target network
        self._scans += 1
        if self._table is None or self._scans > REFRESH:
            with th.no_grad():
                self._table, self._scans = Table(recordings, self.embedding(recordings.units)), 0
        return self._table

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> th.Tensor:
        return self.best(observation).actions[:, 0]


class DuelingCatalogueQNetwork(CatalogueQNetwork):
    """Q(s, a) = V(s) + f(s) · φ(x_a) − f(s) · mean_b φ(x_b): the dueling form (Wang et al. 2016), equation 9.

    The mean advantage of a dot product is the dot product with the mean, so that it is exact over all tracks at the
    price of one.

    Deviations from the paper: those of `DuelingQNetwork`; where φ is learned, its mean is that of the last table and
    passes no gradient to φ.
    """

    dueling = True


class CataloguePolicy(MlpPolicy):
    """The policy of `CatalogueQNetwork`, for actions with features.

    Online and target network share what they know of the tracks; a file keeps the weights alone, well under 1 MB
    whatever the catalogue. It plays from any catalogue that is measured alike.

    Args:
        *args: those of SB3's `DQNPolicy`.
        track_embedding: as in `CatalogueQNetwork`.
        unit_state: as in `CatalogueQNetwork`.
        layer_norm: as in `CatalogueQNetwork`.
        **kwargs: those of SB3's `DQNPolicy`.
    """

    network_class: ClassVar[type[Any]] = CatalogueQNetwork
    check_spaces = staticmethod(check_alike)

    def __init__(
        self,
        *args: Any,
        track_embedding: Literal["fixed", "learned"] = "fixed",
        unit_state: bool = True,
        layer_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        self._recordings: Recordings | None = None
        self._network_kwargs = {
            "track_embedding": track_embedding,
            "unit_state": unit_state,
            "layer_norm": layer_norm,
        }
        super().__init__(*args, **kwargs)

    def make_q_net(self) -> DenseQNetwork:
        """Return a new network; called for the online and for the target network."""
        net_args = self._update_features_extractor(
            {**self.net_args, **self._network_arguments()}, features_extractor=None
        )
        net: Any = self.network_class(**net_args).to(self.device)
        if self._recordings is None:
            self._recordings = self._recordings_of(self.action_space)
        net.know(self._recordings)
        return net  # type: ignore[no-any-return]

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Play from the catalogue of this action space, or from none where it has left its features behind."""
        super().bind(observation_space, action_space)
        self._recordings = self._recordings_of(action_space)
        nets: list[Any] = [self.q_net, self.q_net_target]
        for net in nets:
            net.know(self._recordings)

    def _recordings_of(self, space: Any) -> Recordings | None:
        return None if features_of(space) is None else Recordings(space, self.device)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {**super()._get_constructor_parameters(), **self._network_arguments()}

    def _network_arguments(self) -> dict[str, Any]:
        return self._network_kwargs


class DuelingCataloguePolicy(CataloguePolicy):
    """`CataloguePolicy` with the dueling form."""

    network_class = DuelingCatalogueQNetwork
