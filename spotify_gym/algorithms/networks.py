"""Networks with one output per action: SB3's head, and the dueling head of Wang et al. (2016)."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch as th
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.dqn.policies import QNetwork
from torch import nn

from spotify_gym.algorithms.compatibility import recordings_of


class Adam(th.optim.Adam):
    """PyTorch's Adam, bit for bit, without importing PyTorch's compiler, which is unused and costs 1 s and 70 MB."""

    add_param_group = inspect.unwrap(th.optim.Adam.add_param_group)
    state_dict = inspect.unwrap(th.optim.Adam.state_dict)
    load_state_dict = inspect.unwrap(th.optim.Adam.load_state_dict)
    step = th.no_grad()(inspect.unwrap(th.optim.Adam.step))

    @classmethod
    def instead(cls, policy_kwargs: dict[str, Any], **usual: Any) -> dict[str, Any]:
        """Return policy arguments that use this class instead of PyTorch's Adam, with `usual` as default options."""
        if policy_kwargs.get("optimizer_class", th.optim.Adam) is not th.optim.Adam:
            return policy_kwargs
        options = {**usual, **(policy_kwargs.get("optimizer_kwargs") or {})}
        return {**policy_kwargs, "optimizer_class": cls, "optimizer_kwargs": options}


class TopK(NamedTuple):
    """The best actions of each state, best first."""

    values: th.Tensor  # (batch, k) float32, -inf where fewer than k actions are allowed
    actions: th.Tensor  # (batch, k) int64


class DenseQNetwork(QNetwork):
    """SB3's Q-network with the interface that `DQN` requires: `taken`, `best`, `best_of` and `top_k`."""

    def taken(self, obs: PyTorchObs, actions: th.Tensor) -> th.Tensor:
        """Return Q(s, a), (batch, 1), of the given actions, (batch, 1) int64."""
        return self(obs).gather(1, actions)  # type: ignore[no-any-return]

    def best(self, obs: PyTorchObs, played: th.Tensor | None = None) -> TopK:
        """Return the best action of each state, (batch, 1), excluding all versions of `played`, (batch, width)."""
        return TopK(*self._allowed(obs, played).max(dim=1, keepdim=True))

    def best_of(self, obs: PyTorchObs, allowed: th.Tensor) -> TopK:
        """Return the best action of each state, (batch, 1), within the mask `allowed`, (batch, n)."""
        return TopK(*self(obs).masked_fill(~allowed, -th.inf).max(dim=1, keepdim=True))

    def top_k(self, obs: PyTorchObs, k: int, played: th.Tensor | None = None) -> TopK:
        """Return the `k` best actions of each state, (batch, min(k, n)), excluding all versions of `played`."""
        values = self._allowed(obs, played)
        return TopK(*values.topk(min(k, values.shape[1]), dim=1))

    def _allowed(self, obs: PyTorchObs, played: th.Tensor | None) -> th.Tensor:
        values: th.Tensor = self(obs)
        if played is None:
            return values
        recordings = th.tensor(recordings_of(self.action_space), device=values.device)
        nowhere = values.shape[1]
        heard = values.new_zeros(len(values), nowhere + 1, dtype=th.bool)
        heard.scatter_(1, th.where(played < 0, nowhere, recordings[played]), True)
        return values.masked_fill(heard[:, recordings], -th.inf)


class DuelingQNetwork(DenseQNetwork):
    """Dueling network (Wang et al. 2016, https://arxiv.org/abs/1511.06581), equation 9.

    Q(s, a) = V(s) + A(s, a) - mean_a A(s, a), with the mean over the actions of each state.

    Deviations from the paper: a multilayer perceptron instead of convolutions, shared up to the last hidden layer (as
    in the paper, each stream has one hidden layer); gradients into the shared part are not scaled by 1/sqrt(2).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Replaces the parent's head, so that no unused weights remain.
        self.q_net = DuelingHead(self.features_dim, int(self.action_space.n), self.net_arch, self.activation_fn)  # type: ignore[assignment]


class DuelingHead(nn.Module):
    """Value and advantage streams over a shared multilayer perceptron.

    Args:
        n_inputs: width of the state features.
        n_actions: number of advantages.
        net_arch: widths of the hidden layers; the last belongs to each stream, the others are shared.
        activation_fn: activation between layers.
    """

    def __init__(self, n_inputs: int, n_actions: int, net_arch: list[int], activation_fn: type[nn.Module]) -> None:
        super().__init__()
        shared, stream = net_arch[:-1], net_arch[-1:]
        width = shared[-1] if shared else n_inputs
        self.trunk = nn.Sequential(*create_mlp(n_inputs, -1, shared, activation_fn))
        self.value = nn.Sequential(*create_mlp(width, 1, stream, activation_fn))
        self.advantages = nn.Sequential(*create_mlp(width, n_actions, stream, activation_fn))

    def forward(self, features: th.Tensor) -> th.Tensor:
        """Return the Q-values, (batch, n_actions), for features (batch, n_inputs)."""
        hidden = self.trunk(features)
        advantages = self.advantages(hidden)
        return self.value(hidden) + advantages - advantages.mean(dim=1, keepdim=True)  # type: ignore[no-any-return]
