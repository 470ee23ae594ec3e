"""Compiled forward and backward pass of the mixture encoder, faster than its many small PyTorch operations.

:class:`~spotify_gym.algorithms.state_encoder.MixtureEncoder` computes f = Σᵢ wᵢ Uᵢ + wₙ₊ᵢ Bᵢ over n blocks of d
numbers, with w and v from multilayer perceptrons. Hence ∂L/∂wᵢ = ∂L/∂f · Uᵢ. For a layer y = W x + b with gradient
g = ∂L/∂y: ∂L/∂W = g xᵀ, ∂L/∂b = g 1 and ∂L/∂x = Wᵀ g (Rumelhart, Hinton and Williams 1986). Arrays are laid out as
(numbers, batch), so that the innermost loops run over the batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch as th
from numpy.typing import NDArray

from spotify_gym.algorithms.embeddings import SHORTEST
from spotify_gym.compiled import compiled

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_STRIP = 8  # products summed in a register before the sum is stored


class Perceptron(NamedTuple):
    """Weights and biases of a multilayer perceptron with rectified units, first layer first."""

    weights: tuple[Floats, ...]  # (n_outputs, n_inputs) each
    biases: tuple[Floats, ...]  # (n_outputs,) each


def perceptrons(arrays: tuple[Floats, ...]) -> tuple[Perceptron, Perceptron]:
    """Split alternating weights and biases into two perceptrons of equal depth."""
    n = len(arrays) // 2
    return Perceptron(arrays[:n:2], arrays[1:n:2]), Perceptron(arrays[n::2], arrays[n + 1 :: 2])


class CompiledMixture(th.autograd.Function):
    """f(s), (batch, d), and v(s), (batch, 1), differentiable in the parameters but not in the observations."""

    @staticmethod
    def forward(
        ctx: Any,
        observations: th.Tensor,
        places: tuple[Ints, Ints],
        arrays: tuple[Perceptron, Perceptron],
        *learned: th.Tensor,
    ) -> tuple[th.Tensor, th.Tensor]:
        """Encode observations (batch, n_inputs); `arrays`, as for `encode`, share memory with the tensors `learned`."""
        directions, values, *ctx.read = encode(observations.numpy(), *places, *arrays)
        ctx.blocks, ctx.arrays = places[0], arrays
        ctx.save_for_backward(*learned)
        return th.from_numpy(directions), th.from_numpy(values)

    @staticmethod
    @th.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: th.Tensor) -> tuple[th.Tensor | None, ...]:
        """Return the gradients of the arguments, given those of f and v."""
        gradients = [th.zeros_like(tensor) for tensor in ctx.saved_tensors]  # raises if a parameter has changed since
        of_f, of_v = (slope.contiguous().numpy() for slope in slopes)
        out = perceptrons(tuple(gradient.numpy() for gradient in gradients))
        weighed, valued = (tuple(arrays) for arrays in ctx.read)
        learned: tuple[Perceptron, Perceptron] = ctx.arrays
        add_gradients(of_f, of_v, ctx.blocks, weighed, valued, *learned, *out)
        return None, None, None, *gradients


@compiled
def encode(
    observations: Floats, blocks: Ints, others: Ints, to_weights: Perceptron, to_value: Perceptron
) -> tuple[Floats, Floats, list[Floats], list[Floats]]:
    """Return f, (batch, d), v, (batch, 1), and the inputs of each layer of the two perceptrons, (numbers, batch).

    Args:
        observations: (batch, n_inputs), contiguous.
        blocks: (n, d) columns of the blocks in an observation; those of a block are adjacent.
        others: (n_inputs - n d,) columns outside the blocks.
        to_weights: perceptron from the rotation-invariant inputs to w.
        to_value: perceptron from all inputs to v.
    """
    n, d = blocks.shape
    invariant, everything = _read(observations, blocks, others)
    weighed, valued = [invariant], [everything]
    weights, values = _apply(to_weights, weighed), _apply(to_value, valued)
    directions = np.zeros((len(observations), d), np.float32)
    for i in range(n):
        unit, block = _pair(everything, blocks, i)
        for j in range(d):
            for b in range(len(observations)):
                directions[b, j] += weights[i, b] * unit[j, b] + weights[n + i, b] * block[j, b]
    return directions, values.reshape((-1, 1)), weighed, valued


@compiled
def add_gradients(
    of_f: Floats,
    of_v: Floats,
    blocks: Ints,
    weighed: tuple[Floats, ...],
    valued: tuple[Floats, ...],
    to_weights: Perceptron,
    to_value: Perceptron,
    of_weights: Perceptron,
    of_value: Perceptron,
) -> None:
    """Add the gradients of `to_weights` and `to_value` to `of_weights` and `of_value`.

    `of_f` and `of_v` are the gradients of f and v; `weighed` and `valued` are the layer inputs that `encode` returned.
    """
    n = len(blocks)
    slopes = np.zeros((2 * n, len(of_f)), np.float32)
    for i in range(n):
        unit, block = _pair(valued[0], blocks, i)
        _add_dots(of_f.T, unit, slopes[i])
        _add_dots(of_f.T, block, slopes[n + i])
    _descend(to_weights, weighed, slopes, of_weights)
    _descend(to_value, valued, of_v.reshape((1, -1)), of_value)


@compiled
def _read(observations: Floats, blocks: Ints, others: Ints) -> tuple[Floats, Floats]:
    """Return the inputs of the two perceptrons: the rotation-invariant ones, and all."""
    (n_batch, n_inputs), (n, d), n_others = observations.shape, blocks.shape, len(others)
    invariant = np.zeros((n_others + n + n * (n - 1) // 2, n_batch), np.float32)
    everything = np.empty((n * d + n_inputs, n_batch), np.float32)
    for b in range(n_batch):
        for i in range(n_inputs):
            everything[n * d + i, b] = observations[b, i] / np.float32(d**0.5)
        for i in range(n_others):
            invariant[i, b] = observations[b, others[i]]
    place = n_others + n
    for i in range(n):
        _measure(*_pair(everything, blocks, i), invariant[n_others + i])
    for first in range(n):
        for second in range(first + 1, n):
            _add_dots(_pair(everything, blocks, first)[0], _pair(everything, blocks, second)[0], invariant[place])
            place += 1
    return invariant, everything


@compiled
def _pair(everything: Floats, blocks: Ints, i: int) -> tuple[Floats, Floats]:
    """Return views of one block: its unit vectors and its (scaled) vectors, both (d, batch)."""
    n, d = blocks.shape
    start = n * d + blocks[i, 0]
    return everything[i * d : (i + 1) * d], everything[start : start + d]


@compiled
def _measure(units: Floats, vectors: Floats, lengths: Floats) -> None:
    """Write the unit vectors of `vectors`, (d, batch), and their lengths, (batch,), which must be 0 on entry."""
    _add_dots(vectors, vectors, lengths)
    for b in range(len(lengths)):
        lengths[b] = np.sqrt(lengths[b])
    for j in range(len(vectors)):
        for b in range(len(lengths)):
            units[j, b] = vectors[j, b] / max(lengths[b], np.float32(SHORTEST))


@compiled
def _add_dots(left: Floats, right: Floats, out: Floats) -> None:
    """Add the columnwise dot products of two (d, batch) arrays to `out`, (batch,)."""
    for j in range(len(left)):
        for b in range(len(out)):
            out[b] += left[j, b] * right[j, b]


@compiled
def _apply(perceptron: Perceptron, read: list[Floats]) -> Floats:
    """Return the output of a perceptron for the input `read[0]`; append the inputs of its later layers to `read`."""
    x = read[0]
    for layer, bias in enumerate(perceptron.biases):
        if layer > 0:
            _rectify(x)
            read.append(x)
        out = np.empty((len(bias), x.shape[1]), np.float32)
        for i in range(len(bias)):
            out[i] = bias[i]
        _add_product(perceptron.weights[layer], x, out)
        x = out
    return x


@compiled
def _rectify(x: Floats) -> None:
    for i in range(len(x)):
        for b in range(x.shape[1]):
            x[i, b] = max(x[i, b], np.float32(0))


@compiled
def _descend(perceptron: Perceptron, read: tuple[Floats, ...], slopes: Floats, out: Perceptron) -> None:
    """Add the gradients of a perceptron to `out`, given `slopes`, the gradient of its output."""
    for layer in range(len(read) - 1, -1, -1):
        x = read[layer]
        _add_product(slopes, x.T.copy(), out.weights[layer])
        for i in range(len(slopes)):
            out.biases[layer][i] += slopes[i].sum()
        if layer > 0:
            below = np.zeros_like(x)
            _add_product(perceptron.weights[layer].T, slopes, below)
            for i in range(len(x)):
                for b in range(x.shape[1]):
                    if x[i, b] == 0:
                        below[i, b] = 0
            slopes = below


@compiled(fastmath={"contract"})
def _add_product(left: Floats, right: Floats, out: Floats) -> None:
    """Add the product of (n, k) and (k, m) to `out`, (n, m), in strips of `right` that stay in the cache."""
    (n, size), m = left.shape, right.shape[1]
    whole = size // _STRIP * _STRIP
    for k in range(0, whole, _STRIP):
        for i in range(n):
            for j in range(m):
                total = out[i, j]
                for q in range(_STRIP):
                    total += left[i, k + q] * right[k + q, j]
                out[i, j] = total
    for k in range(whole, size):
        for i in range(n):
            for j in range(m):
                out[i, j] += left[i, k] * right[k, j]
