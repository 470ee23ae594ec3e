"""State encoders: from an observation to the direction f(s) and the value v(s) of Q(s, a) = f(s) · φ(x_a) + v(s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from torch import nn

from spotify_gym.algorithms.embeddings import SHORTEST, unit
from spotify_gym.algorithms.mixture_kernels import CompiledMixture, Ints, Perceptron, encode, perceptrons

_CHANNELS = 8  # hidden width per vector between attention layers
_LAYERS = 3


class StateInput(nn.Module):
    """Input layer of the dense encoder: the blocks at unit length, concatenated with the scaled observation.

    The observation is split into consecutive blocks of d numbers (vibe, seed vibe, exposure, ...); a shorter remainder
    is not a block. The layer has no parameters.

    Args:
        n_inputs: width of the observation.
        n_features: d.
        unit_state: whether to add the unit blocks; if not, only the observation is passed on.
    """

    def __init__(self, n_inputs: int, n_features: int, unit_state: bool = True) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_blocked = n_inputs // n_features * n_features if unit_state else 0
        self.width = n_inputs + self.n_blocked

    def forward(self, observations: th.Tensor) -> th.Tensor:
        """Return the encoded states, (batch, width), for observations (batch, n_inputs)."""
        blocks = observations[:, : self.n_blocked].view(len(observations), -1, self.n_features)
        return th.cat([unit(blocks).flatten(1), observations / self.n_features**0.5], dim=1)


class MixtureEncoder(nn.Module):
    """f(s), the direction in which to search for tracks, as a mixture of observed vectors; and v(s), the state value.

    f(s) = Σᵢ wᵢ(s) Uᵢ + wₙ₊ᵢ(s) Bᵢ over the n blocks Bᵢ of the observation, which are vectors in feature space, and
    their unit vectors Uᵢ. The weights w are a multilayer perceptron of rotation-invariant inputs: the lengths of the
    blocks, the cosines between them, and the numbers outside the blocks. So f is equivariant to rotations of feature
    space: it learns how to weigh what was heard, not in which region of feature space the training took place. It
    favours no single feature and rescales none. v is a perceptron of the whole observation. Both start at 0.

    Args:
        blocks: slices of the observation that are vectors of d features.
        n_inputs: width of the observation.
        net_arch: widths of the hidden layers.
        activation_fn: activation between layers.
    """

    blocks: th.Tensor  # (n d,) int64, columns of an observation
    others: th.Tensor  # (n_inputs - n d,) int64
    pairs: th.Tensor  # (n (n - 1) / 2,) int64, indices into the flattened (n, n) matrix of cosines

    def __init__(
        self,
        blocks: Sequence[slice],
        n_inputs: int,
        net_arch: list[int],
        activation_fn: type[nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        in_blocks, others = columns_of(blocks, n_inputs)
        n, d = self.shape = in_blocks.shape
        first, second = th.triu_indices(n, n, 1)
        for name, places in (("blocks", in_blocks.flatten()), ("others", others), ("pairs", first * n + second)):
            self.register_buffer(name, places, persistent=False)
        self.weights = nn.Sequential(*create_mlp(len(others) + n + len(first), 2 * n, net_arch, activation_fn))
        self.value = nn.Sequential(*create_mlp(n_inputs + n * d, 1, net_arch, activation_fn))
        start_at_zero(self.weights[-1], self.value[-1])
        self._is_relu, self._n_inputs = activation_fn is nn.ReLU, n_inputs
        self._learned = tuple(self.parameters())
        self._known: tuple[list[int], tuple[tuple[Ints, Ints], tuple[Perceptron, Perceptron]]] | None = None

    def forward(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return f, (batch, d), and v, (batch, 1), of observations (batch, n_inputs)."""
        is_usual = self._is_relu and observations.device.type == "cpu" and observations.shape[1:] == (self._n_inputs,)
        if is_usual and not observations.requires_grad:
            return self._compiled(observations.contiguous())
        n, d = self.shape
        scaled = observations / d**0.5
        blocks = scaled.index_select(1, self.blocks).view(-1, n, d)
        lengths = blocks.norm(dim=2, keepdim=True)
        units = blocks / lengths.clamp_min(SHORTEST)
        cosines = (units @ units.mT).flatten(1).index_select(1, self.pairs)
        invariant = th.cat([observations.index_select(1, self.others), lengths[:, :, 0], cosines], dim=1)
        directions = self.weights(invariant)[:, None] @ th.cat([units, blocks], dim=1)
        return directions[:, 0], self.value(th.cat([units.flatten(1), scaled], dim=1))

    def _compiled(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Compute the same with the compiled kernels."""
        places, arrays = self._arrays()
        if th.is_grad_enabled():
            return CompiledMixture.apply(observations, places, arrays, *self._learned)  # type: ignore[no-any-return, no-untyped-call]
        directions, values, *_ = encode(observations.numpy(), *places, *arrays)
        return th.from_numpy(directions), th.from_numpy(values)

    def _arrays(self) -> tuple[tuple[Ints, Ints], tuple[Perceptron, Perceptron]]:
        """Return (blocks, others) and the two perceptrons as NumPy arrays that share memory with the tensors."""
        pointers = [tensor.data_ptr() for tensor in self._learned]
        if self._known is None or self._known[0] != pointers:
            places = self.blocks.view(self.shape).numpy(), self.others.numpy()
            learned = tuple(parameter.detach().numpy() for parameter in self._learned)
            self._known = pointers, (places, perceptrons(learned))
        return self._known[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": None}  # the arrays of a copy must share the memory of the copied tensors


def columns_of(blocks: Sequence[slice], n_inputs: int) -> tuple[th.Tensor, th.Tensor]:
    """Return the columns of an observation inside blocks, (n, d), and those outside, (n_inputs - n d,)."""
    columns = th.arange(n_inputs)
    in_blocks = th.stack([columns[block] for block in blocks])
    return in_blocks, columns[~th.isin(columns, in_blocks)]


def start_at_zero(*layers: nn.Module) -> None:
    """Set all parameters of the layers to 0."""
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


class AttentionEncoder(nn.Module):
    """f(s), the direction in which to search for tracks, by linear self-attention over n vectors Bᵢ; and v(s).

    Each vector carries c hidden numbers aᵢ, initially 1. G = (BM)(BM)ᵀ holds the dot products of the vectors in a
    learned metric M. Each of three layers updates the hidden numbers by a perceptron h, shared by all vectors:

        aᵢ ← aᵢ + h(aᵢ, Σⱼ Gᵢⱼ aⱼ / √n, pᵢ, o),        f = W Σᵢ (w·aᵢ) Bᵢ + f₀,

    where pᵢ is a learned embedding of position i and o are the numbers outside the vectors. v is a perceptron of means
    over i. This is self-attention without softmax, one layer of which can perform a step of gradient descent on a least
    squares problem (von Oswald et al. 2023, "Transformers learn in-context by gradient descent", proposition 1), so the
    encoder can learn to estimate a taste from the listener's responses to tracks. f and v start at 0.

    Args: those of `MixtureEncoder`; `net_arch` is for h and v.
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
        there = (vectors != 0).any(dim=2, keepdim=True)  # positions without a track yet are all zeros
        carried = there.float().expand(-1, -1, _CHANNELS)
        for layer in self.layers:
            carried = carried + layer(th.cat([carried, gram @ carried, places, others], dim=2)) * there
        directions = self.turned((self.weights(carried).mT @ vectors)[:, 0])
        pooled = th.cat([carried.mean(dim=1), (gram @ carried).mean(dim=1), others[:, 0]], dim=1)
        return directions, self.value(pooled)


class DenseEncoder(nn.Module):
    """f(s) and v(s) from the observation as a plain vector.

    f is a linear map plus a multilayer perceptron of the encoded state; v is a separate perceptron. All start at 0.

    Args:
        n_inputs: width of the observation.
        n_features: d.
        width: width of f.
        net_arch: widths of the hidden layers.
        activation_fn: activation between layers.
        unit_state: as in `StateInput`; False only in older files.
        layer_norm: normalise each hidden layer (Ba et al. 2016); True only in older files.
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
        start_at_zero(self.direct, self.deep[-1], self.value[-1])

    def forward(self, observations: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """Return f, (batch, width), and v, (batch, 1), of observations (batch, n_inputs)."""
        encoded = self.encoder(observations)
        return self.direct(encoded) + self.deep(encoded), self.value(encoded)
