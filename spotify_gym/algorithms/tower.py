"""The state's half of the dot product: from an observation to f(s) and v(s)."""

from __future__ import annotations

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn

from spotify_gym.algorithms.tracks import unit


class StateTower(nn.Module):
    """f(s), a direction to look for tracks in, and v(s), what the state is worth whatever plays.

    The observation is read as blocks of d numbers (vibe, seed vibe, exposure, ...), each brought to unit length, with
    the observation as it came beside them. f is a linear map of these plus a multilayer perceptron, v a perceptron of
    its own; both start at 0.

    Args:
        n_inputs: width of the observation.
        n_features: d.
        width: of f.
        net_arch: widths of the hidden layers.
        activation_fn: between layers.
        unit_state: bring the blocks to unit length.
        layer_norm: normalise each hidden layer (Ba et al. 2016).
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
        self.n_features, self.unit_state = n_features, unit_state
        self.n_blocked = n_inputs // n_features * n_features
        n_encoded = n_inputs + (self.n_blocked if unit_state else 0)
        after: list[type[nn.Module]] = [nn.LayerNorm] if layer_norm else []
        self.direct = nn.Linear(n_encoded, width)
        self.deep = nn.Sequential(*create_mlp(n_encoded, width, net_arch, activation_fn, post_linear_modules=after))
        self.value = nn.Sequential(*create_mlp(n_encoded, 1, net_arch, activation_fn, post_linear_modules=after))
        for layer in (self.direct, self.deep[-1], self.value[-1]):
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return f, (batch, width), and v, (batch, 1), of observations (batch, n_inputs)."""
        encoded = self.encode(observations)
        return self.direct(encoded) + self.deep(encoded), self.value(encoded)

    def encode(self, observations: th.Tensor) -> th.Tensor:
        """Return what the layers read, (batch, n_encoded)."""
        n_blocks = self.n_blocked // self.n_features
        blocks = observations[:, : self.n_blocked].view(len(observations), n_blocks, self.n_features)
        scaled = observations / self.n_features**0.5
        return th.cat([unit(blocks).flatten(1), scaled], dim=1) if self.unit_state else scaled
