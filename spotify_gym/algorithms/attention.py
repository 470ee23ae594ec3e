"""A memory of what was played, learned: self-attention over the vectors that an observation holds."""

from __future__ import annotations

from collections.abc import Sequence

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn

from spotify_gym.algorithms.state_encoder import columns_of, start_at_zero

_CHANNELS = 8  # numbers that each vector carries from layer to layer
_LAYERS = 3


class AttentionEncoder(nn.Module):
    """f(s), a direction to look for tracks in, a mixture of n vectors Bᵢ by what each has to do with all; and v(s).

    Each vector carries c numbers aᵢ, which are 1 at first. With G = (BM)(BM)ᵀ, what the vectors have to do with each
    other in a metric that is learned, each of three layers adds to them, by a perceptron h that all vectors share,

        aᵢ ← aᵢ + h(aᵢ, Σⱼ Gᵢⱼ aⱼ / √n, pᵢ, o),        f = W Σᵢ (w·aᵢ) Bᵢ + f₀,

    where pᵢ is learned for each place and o are the numbers that are no vector; v is a perceptron of means over i. This
    is self-attention without softmax, of which one layer can take a step of gradient descent on the least squares of
    what it reads (von Oswald et al. 2023, "Transformers learn in-context by gradient descent", proposition 1): a memory
    that can learn to estimate a taste from the tracks that were answered. f and v start at 0.

    Args:
        blocks: where the vectors stand in an observation, d numbers each.
        n_inputs: width of the observation.
        net_arch: widths of the hidden layers of h and v.
        activation_fn: between layers.
    """

    blocks: th.Tensor  # (n, d) int64, columns of an observation
    others: th.Tensor  # (n_inputs - n d,) int64

    def __init__(
        self,
        blocks: Sequence[slice],
        n_inputs: int,
        net_arch: list[int],
        activation_fn: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        in_blocks, others = columns_of(blocks, n_inputs)
        (n, d), c = in_blocks.shape, _CHANNELS
        self.register_buffer("blocks", in_blocks, persistent=False)
        self.register_buffer("others", others, persistent=False)
        self.places = nn.Parameter(th.zeros(n, c))
        self.metric, self.turned = nn.Linear(d, d, bias=False), nn.Linear(d, d)
        nn.init.eye_(self.metric.weight)
        nn.init.eye_(self.turned.weight)
        nn.init.zeros_(self.turned.bias)
        self.layers = nn.ModuleList(
            nn.Sequential(*create_mlp(3 * c + len(others), c, net_arch, activation_fn)) for _ in range(_LAYERS)
        )
        self.value = nn.Sequential(*create_mlp(2 * c + len(others), 1, net_arch, activation_fn))
        self.weights = nn.Linear(c, 1, bias=False)
        start_at_zero(self.weights, self.value[-1])

    def forward(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return f, (batch, d), and v, (batch, 1), of observations (batch, n_inputs)."""
        vectors, n = observations[:, self.blocks], len(self.blocks)
        keys = self.metric(vectors)
        gram = keys @ keys.mT / n**0.5
        others = observations[:, None, self.others].expand(-1, n, -1)
        places = self.places.expand(len(vectors), -1, -1)
        there = (vectors != 0).any(dim=2, keepdim=True)  # a place that nothing was played in yet is zeros
        carried = there.float().expand(-1, -1, _CHANNELS)
        for layer in self.layers:
            carried = carried + layer(th.cat([carried, gram @ carried, places, others], dim=2)) * there
        directions = self.turned((self.weights(carried).mT @ vectors)[:, 0])
        pooled = th.cat([carried.mean(dim=1), (gram @ carried).mean(dim=1), others[:, 0]], dim=1)
        return directions, self.value(pooled)
