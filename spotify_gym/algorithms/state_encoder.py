"""The state's half of the dot product: from an observation to f(s) and v(s)."""

from __future__ import annotations

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn

from spotify_gym.algorithms.embeddings import unit


class StateInput(nn.Module):
    """What the layers read of a state: its blocks at unit length, and beside them the observation as it came.

    The observation is read as blocks of d numbers (vibe, seed vibe, exposure, ...); what is left over is no block.
    Nothing here is learned.

    Args:
        n_inputs: width of the observation.
        n_features: d.
        unit_state: bring the blocks to unit length; else only the observation is read.
    """

    def __init__(self, n_inputs: int, n_features: int, unit_state: bool = True) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_blocked = n_inputs // n_features * n_features if unit_state else 0
        self.width = n_inputs + self.n_blocked

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Return the encoded states, (batch, width), of observations (batch, n_inputs)."""
        blocks = observations[:, : self.n_blocked].view(len(observations), -1, self.n_features)
        return th.cat([unit(blocks).flatten(1), observations / self.n_features**0.5], dim=1)


class DenseEncoder(nn.Module):
    """f(s), a direction to look for tracks in, and v(s), what the state is worth whatever plays.

    f is a linear map of the encoded state plus a multilayer perceptron, v a perceptron of its own; all start at 0.

    Args:
        n_inputs: width of the observation.
        n_features: d.
        width: of f.
        net_arch: widths of the hidden layers.
        activation_fn: between layers.
        unit_state: as in `StateInput`; False only in files of before.
        layer_norm: normalise each hidden layer (Ba et al. 2016); True only in files of before.
    """

    def __init__(
        self,
        n_inputs: int,
        n_features: int,
        width: int,
        net_arch: list[int],
        activation_fn: type[nn.Module] = nn.ReLU,
        unit_state: bool = True,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        after: list[type[nn.Module]] = [nn.LayerNorm] if layer_norm else []
        self.encoder = StateInput(n_inputs, n_features, unit_state)
        self.direct = nn.Linear(self.encoder.width, width)
        self.deep, self.value = (
            nn.Sequential(*create_mlp(self.encoder.width, n, net_arch, activation_fn, post_linear_modules=after))
            for n in (width, 1)
        )
        for layer in (self.direct, self.deep[-1], self.value[-1]):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return f, (batch, width), and v, (batch, 1), of observations (batch, n_inputs)."""
        encoded = self.encoder(observations)
        return self.direct(encoded) + self.deep(encoded), self.value(encoded)
