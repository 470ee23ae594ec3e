"""Policy of the model-based learner: a learned session model, a plan library and the search for plans."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from spotify_gym.algorithms.compatibility import Spaces, check_alike, n_features_of, vectors_of
from spotify_gym.algorithms.learned_model import LearnedModel, PlanTracks, RewardNet, Seen
from spotify_gym.algorithms.replay import played_of
from spotify_gym.search.planning import Bools, Floats, Ints, Rollout, improve, largest

_WIDTH = 32  # of the hidden layer of the reward network
_DRAWN, _DRAWN_SWEEPS = 768, 2  # random candidates for each position of a plan, and passes through the plan
_NEAR, _NEAR_SWEEPS = 384, 3  # the same for candidates nearest to the planned track
_AHEAD = 5  # positions that are replanned after an unexpected observation
_SURPRISE = 1e-2  # smallest unexpected deviation [standard deviations of a feature]; less is rounding
_FORGETFUL = (
    "predict was called again without `state`: each call then begins a session and its plan. Hand on what it returns, "
    "`action, state = model.predict(obs, state, episode_start)`"
)


class PlanningPolicy(BasePolicy):
    """Policy that searches for plans in a learned model of sessions.

    Three things are learned. The next observation is linear in the observation and the track. The reward is a small
    network of the dot products of the track with each block of the observation. The library holds the plans with the
    highest predicted return; it stores features, so that each plan maps to the nearest tracks of any catalogue.

    When a session begins, the most promising plans of the library are improved in the model, one track at a time, and
    the best is played. When an observation differs from the prediction, the next five tracks are replanned.

    Args:
        observation_space: a space with `blocks`, the slices that are vectors of features.
        action_space: a space of tracks with features.
        lr_schedule: unused.
        horizon: T, number of tracks in a session.
        n_plans: L, number of plans in the library.
        n_improved: number of plans that are improved for a session.
    """

    check_spaces = staticmethod(check_alike)
    transition: th.Tensor  # (k + 2d + 1, k)
    library: th.Tensor  # (L, T, d)

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule | None = None,
        horizon: int = 20,
        n_plans: int = 192,
        n_improved: int = 2,
    ) -> None:
        super().__init__(observation_space, action_space)
        d = n_features_of(action_space)
        self.blocks = vectors_of(observation_space, d)
        assert observation_space.shape is not None  # a Box has one
        (k,) = observation_space.shape
        n_inputs = k - len(self.blocks) * (d - 2)
        self.horizon, self.n_plans, self.n_improved = horizon, n_plans, n_improved
        self.reward = nn.Sequential(nn.Linear(n_inputs, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1))
        self.register_buffer("transition", th.zeros(k + 2 * d + 1, k))
        self.register_buffer("library", th.zeros(n_plans, horizon, d))
        self._tracks: PlanTracks | None = None
        self._plans: Ints | None = None  # the library as tracks of this catalogue
        self._stateless_calls = 0  # consecutive calls of `predict` without state; only a warning depends on it

    @property
    def tracks(self) -> PlanTracks:
        """The available tracks.

        Raises:
            BindingError: the spaces were loaded from a file, which stores no tracks.
        """
        if self._tracks is None:
            self._tracks = PlanTracks(self.action_space)
        return self._tracks

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Replace the spaces of the policy.

        Raises:
            BindingError: the policy does not fit them.
        """
        self.check_spaces(Spaces.of(self), Spaces(observation_space, action_space))
        self.observation_space, self.action_space = observation_space, action_space
        self._tracks = self._plans = None

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load learned parameters and the library; the arguments are PyTorch's."""
        self._plans = None
        return super().load_state_dict(*args, **kwargs)

    def model(self) -> LearnedModel:
        """Return the learned model in NumPy, for planning."""
        weight, bias, out, out_bias = (parameter.detach().cpu().numpy() for parameter in self.reward.parameters())
        reward = RewardNet(np.ascontiguousarray(weight.T), bias, out[0], float(out_bias[0]))
        repeats = not getattr(self.action_space, "forbids_repeats", False)
        return LearnedModel(self.tracks, self.blocks, self.transition.cpu().numpy(), reward, repeats)

    @property
    def plans(self) -> Ints:
        """The plan library, (L, T), mapped to the nearest tracks of the catalogue."""
        if self._plans is None:
            vectors = self.library.cpu().numpy()
            self._plans = self.tracks.nearest(vectors.reshape(-1, vectors.shape[2])).reshape(vectors.shape[:2])
        return self._plans

    def remember(self, place: int, plan: Ints) -> None:
        """Store a plan, (T,), at index `place` of the library."""
        self.plans[place] = plan
        self.library[place] = th.from_numpy(self.tracks.features[plan])

    def best_of_library(
        self, model: LearnedModel, seen: Seen, n: int = 1, n_known: int | None = None
    ) -> Iterator[Rollout[Seen]]:
        """Yield the n plans of the library (of its first `n_known`) with the highest predicted return, best first."""
        for place in largest(model.returns(seen, self.plans[:n_known]).astype(np.float32), n):
            yield self.rollout(model, seen, self.plans[place])

    def rollout(self, model: LearnedModel, seen: Seen, plan: Ints) -> Rollout[Seen]:
        """Simulate a plan in one session, after replacing each forbidden track by its nearest allowed one."""
        return model.rollout(seen, plan if model.repeats else self._allowed(plan, seen))

    def improved(self, model: LearnedModel, rollout: Rollout[Seen], seed: int = 0) -> Rollout[Seen]:
        """Improve a plan track by track while its return rises: by random candidates (per seed), then by near ones."""
        rng, tracks = np.random.default_rng(seed), self.tracks
        n, features = len(tracks.distinct), tracks.features
        drawn = improve(model, rollout, lambda *_: tracks.distinct[rng.integers(n, size=_DRAWN)], _DRAWN_SWEEPS)
        return improve(model, drawn, lambda plan, i: tracks.nearest(features[plan[[i]]], _NEAR)[0], _NEAR_SWEEPS)

    def planned(self, model: LearnedModel, seen: Seen) -> Rollout[Seen]:
        """Return the best plan found for the start of one session."""
        best = self.best_of_library(model, seen, self.n_improved)
        found = [self.improved(model, rollout, seed) for seed, rollout in enumerate(best)]
        return max(found, key=attrgetter("value"))

    def rank(self, observation: Floats, played: Ints, k: int, plan: Ints | None = None) -> tuple[Ints, Floats]:
        """Return the k next tracks with the highest predicted return, best first, (k,), and these returns, (k,).

        The candidates for the first position of the plan are the planned track, its nearest neighbours and the tracks
        with the highest immediate reward.

        Args:
            observation: observation of one session, (1, its width).
            played: (any,) forbidden tracks.
            k: number of tracks; fewer are returned if fewer are left.
            plan: planned tracks from here on; None to search for a plan as at the start of a session.
        """
        model, seen = self.model(), self.seen(observation, played)
        rollout = self.planned(model, seen) if plan is None else model.rollout(seen, plan)
        n = max(_NEAR, 2 * k)
        at_once = largest(model.expected_rewards(seen, self.tracks.distinct)[0], n)
        near = self.tracks.nearest(self.tracks.features[rollout.plan[:1]], n)[0]
        candidates = np.union1d(self.tracks.distinct[at_once], near)
        values = model.replacement_values(rollout, 0, candidates)
        best = largest(values, k)
        best = best[np.isfinite(values[best])]
        return candidates[best], values[best]

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
        action_masks: Bools | None = None,
        played: NDArray[np.integer] | None = None,
    ) -> tuple[Ints, Any]:
        """Return the next track of each session's plan, and the plans as SB3's `state`.

        The arguments are those of `MlpPolicy.predict`; `deterministic` is unused, since nothing is random.
        """
        batched = np.ndim(observation) > 1
        rows = np.atleast_2d(np.asarray(observation, np.float32))
        seen = self.seen(rows, played, action_masks)
        begins = np.zeros(len(rows), np.bool_) if episode_start is None else np.atleast_1d(episode_start).astype(bool)
        if state is None:
            self._warn_of_no_state(episode_start)
            begins[:] = True
            state = np.zeros((len(rows), self.horizon), np.int64), np.zeros(len(rows), np.int64), np.zeros_like(rows)
        plans, places, foreseen = (part.copy() for part in state)
        places[begins | (places >= self.horizon)] = 0
        model = self.model()
        surprised = np.abs(rows - foreseen).max(axis=1) > _SURPRISE
        for row in np.flatnonzero((places == 0) | surprised):
            self._replan(model, seen.take(np.array([row])), plans[row], int(places[row]))
        actions = plans[np.arange(len(rows)), places]
        model.step(seen, actions)
        return (actions if batched else actions[0]), (plans, places + 1, seen.observations)

    def _replan(self, model: LearnedModel, seen: Seen, plan: Ints, place: int) -> None:
        """Replace the plan in place: all of it at the start of a session, else its next few tracks."""
        if place == 0:
            plan[:] = self.planned(model, seen).plan
            return
        ahead = np.arange(place, min(place + _AHEAD, len(plan)))
        seen.played = np.append(seen.played, np.delete(plan, ahead)[None], axis=1)
        plan[ahead] = self.improved(model, model.rollout(seen, plan[ahead])).plan

    def seen(self, observations: Floats, played: NDArray[np.integer] | None, masks: Bools | None = None) -> Seen:
        """Return the model state of n sessions, (n, k) observations, with the recordings forbidden in each."""
        n = len(observations)
        if masks is not None:
            rows = np.broadcast_to(masks, (n, np.shape(masks)[-1]))
            played = played_of([{"played": np.flatnonzero(~row)} for row in rows])
        if played is None:
            return Seen(observations, np.empty((n, 0), np.int64))
        told = np.broadcast_to(played, (n, np.shape(played)[-1])).astype(np.int64)
        return Seen(observations, np.where(told < 0, -1, self.tracks.recordings[told]))

    def _allowed(self, plan: Ints, seen: Seen) -> Ints:
        """Return the plan with each forbidden track replaced by its nearest allowed track."""
        plan, taken = plan.copy(), list(seen.played[0])
        for place, track in enumerate(plan):
            if track in taken:
                others = np.array([[*taken, *plan]])
                plan[place] = self.tracks.nearest(self.tracks.features[track][None], 1, others)[0, 0]
            taken.append(plan[place])
        return plan

    def _warn_of_no_state(self, episode_start: Any) -> None:
        self._stateless_calls = 0 if episode_start is not None else self._stateless_calls + 1
        if self._stateless_calls == 2:
            warnings.warn(_FORGETFUL, stacklevel=4)

    def _predict(self, observation: Any, deterministic: bool = False) -> th.Tensor:
        return th.as_tensor(self.predict(observation.cpu().numpy(), episode_start=np.array(True))[0])
