"""The policy of a learner that plans: what it has learned of sessions, and the search for what to play by it."""

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

_WIDTH = 32  # of the hidden layer of the reward
_DRAWN, _DRAWN_SWEEPS = 768, 2  # tracks drawn at random for each place of a plan, and passes through the plan
_NEAR, _NEAR_SWEEPS = 384, 3  # the same of tracks nearest to the planned one
_AHEAD = 5  # places that are planned anew where something else is seen than was foreseen
_SURPRISE = 1e-2  # standard deviations of a feature; less is rounding
_FORGETFUL = (
    "predict was called again without `state`: each call then begins a session and its plan. Hand on what it returns, "
    "`action, state = model.predict(obs, state, episode_start)`"
)


class PlanningPolicy(BasePolicy):
    """What was learned, and the search for what to play by it.

    What is learned: the next observation, linear in the observation and the track; the reward, a small network of what
    the track has to do with each block of the observation; a library of plans that earned most in this model, kept as
    features, so that each stands for the nearest tracks of any catalogue.

    When a session begins, the plans of the library that promise most for its start are improved in the model, one track
    at a time, and the best is played. When something else is seen than was foreseen, the next five tracks are planned
    anew.

    Args:
        observation_space: whose `blocks` say where vectors of features stand.
        action_space: tracks with features.
        lr_schedule: of no matter.
        horizon: T, tracks in a session.
        n_plans: L, plans in the library.
        n_improved: plans that are improved for a session.
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
        self._plans: Ints | None = None  # of the library
        self._stateless_calls = 0  # in a row; only a warning depends on it

    @property
    def tracks(self) -> PlanTracks:
        """What can be played.

        Raises:
            BindingError: the spaces came out of a file, which keeps no tracks.
        """
        if self._tracks is None:
            self._tracks = PlanTracks(self.action_space)
        return self._tracks

    def bind(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Take these spaces for the ones the policy was made with from now on.

        Raises:
            BindingError: they do not fit.
        """
        self.check_spaces(Spaces.of(self), Spaces(observation_space, action_space))
        self.observation_space, self.action_space = observation_space, action_space
        self._tracks = self._plans = None

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Take what was learned from a file; the arguments are PyTorch's."""
        self._plans = None
        return super().load_state_dict(*args, **kwargs)

    def model(self) -> LearnedModel:
        """Return what was learned, to plan in."""
        weight, bias, out, out_bias = (parameter.detach().cpu().numpy() for parameter in self.reward.parameters())
        reward = RewardNet(np.ascontiguousarray(weight.T), bias, out[0], float(out_bias[0]))
        repeats = not getattr(self.action_space, "forbids_repeats", False)
        return LearnedModel(self.tracks, self.blocks, self.transition.cpu().numpy(), reward, repeats)

    @property
    def plans(self) -> Ints:
        """The library, (L, T): the tracks nearest to what was learned."""
        if self._plans is None:
            vectors = self.library.cpu().numpy()
            self._plans = self.tracks.nearest(vectors.reshape(-1, vectors.shape[2])).reshape(vectors.shape[:2])
        return self._plans

    def remember(self, place: int, plan: Ints) -> None:
        """Put a plan, (T,), into the library."""
        self.plans[place] = plan
        self.library[place] = th.from_numpy(self.tracks.features[plan])

    def best_of_library(
        self, model: LearnedModel, seen: Seen, n: int = 1, n_known: int | None = None
    ) -> Iterator[Rollout[Seen]]:
        """Give those n plans of the library that promise most for one session, the best first."""
        for place in largest(model.returns(seen, self.plans[:n_known]).astype(np.float32), n):
            yield self.rollout(model, seen, self.plans[place])

    def rollout(self, model: LearnedModel, seen: Seen, plan: Ints) -> Rollout[Seen]:
        """Play a plan out in one session, each track that may not play replaced by the nearest that may."""
        return model.rollout(seen, plan if model.repeats else self._allowed(plan, seen))

    def improved(self, model: LearnedModel, rollout: Rollout[Seen], seed: int = 0) -> Rollout[Seen]:
        """Replace tracks by some drawn at random, others for each seed, then by near ones, while that earns more."""
        rng, tracks = np.random.default_rng(seed), self.tracks
        n, features = len(tracks.distinct), tracks.features
        drawn = improve(model, rollout, lambda *_: tracks.distinct[rng.integers(n, size=_DRAWN)], _DRAWN_SWEEPS)
        return improve(model, drawn, lambda plan, i: tracks.nearest(features[plan[[i]]], _NEAR)[0], _NEAR_SWEEPS)

    def planned(self, model: LearnedModel, seen: Seen) -> Rollout[Seen]:
        """Return the best plan that is found for one session that begins."""
        best = self.best_of_library(model, seen, self.n_improved)
        found = [self.improved(model, rollout, seed) for seed, rollout in enumerate(best)]
        return max(found, key=attrgetter("value"))

    def rank(self, observation: Floats, played: Ints, k: int, plan: Ints | None = None) -> tuple[Ints, Floats]:
        """Return the k tracks with which most would be earned from here on, the best first, (k,), and how much.

        Compared are what could stand first in the plan: what does, what earns most at once, and what is near it.

        Args:
            observation: of one session, (1, k).
            played: (any,) what may not play.
            k: how many; fewer where fewer are left.
            plan: what is to be played from here on; None for the best plan that is found for a session that begins.
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
        """Return the next track of the plan of each session, and the plans as SB3's `state`.

        The arguments are those of `MlpPolicy.predict`; of no matter is `deterministic`: nothing is left to chance.
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
        """Put a new plan in the place of the old one, or, where the session has begun, of its next tracks."""
        if place == 0:
            plan[:] = self.planned(model, seen).plan
            return
        ahead = np.arange(place, min(place + _AHEAD, len(plan)))
        seen.played = np.append(seen.played, np.delete(plan, ahead)[None], axis=1)
        plan[ahead] = self.improved(model, model.rollout(seen, plan[ahead])).plan

    def seen(self, observations: Floats, played: NDArray[np.integer] | None, masks: Bools | None = None) -> Seen:
        """Return what is seen of n sessions, with the recordings of what may not play there."""
        n = len(observations)
        if masks is not None:
            rows = np.broadcast_to(masks, (n, np.shape(masks)[-1]))
            played = played_of([{"played": np.flatnonzero(~row)} for row in rows])
        if played is None:
            return Seen(observations, np.empty((n, 0), np.int64))
        told = np.broadcast_to(played, (n, np.shape(played)[-1])).astype(np.int64)
        return Seen(observations, np.where(told < 0, -1, self.tracks.recordings[told]))

    def _allowed(self, plan: Ints, seen: Seen) -> Ints:
        """Return a plan with the nearest track that may play in the place of each that may not."""
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
