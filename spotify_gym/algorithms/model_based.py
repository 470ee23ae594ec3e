"""Model-based reinforcement learning: learn a dynamics model from experience and search for plans in it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from stable_baselines3.common.utils import safe_mean
from stable_baselines3.common.vec_env import VecEnv

from spotify_gym.algorithms.learned_model import LearnedModel, Seen
from spotify_gym.algorithms.networks import Adam
from spotify_gym.algorithms.planning_policy import PlanningPolicy
from spotify_gym.algorithms.replay import Played, draw_unplayed, played_next, played_of
from spotify_gym.search.planning import Floats, Ints, Rollout

_SCHEDULE = ((0.5, 0.0), (0.2, 0.125), (0.15, 0.5), (0.15, 1.0))
"""Phases of the training: share of the steps, and share of the plan library available; 0 means random play."""
_FIT = {False: (2500, 1e-2), True: (1500, 3e-3)}  # gradient steps and initial learning rate: first fit, later fits
_BATCH = 256


class ModelBased(BaseAlgorithm):
    """Search in a learned model of sessions: an SB3 algorithm that learns from experience alone and plans when acting.

    It first learns the next observation and the reward of a track from random play. Then it searches the model for
    plans with a high return from starts that it has seen; each search starts from the best plan so far, crossed with
    another one. It plays these plans and refits the model to the outcomes, because the search would otherwise exploit
    model errors. Beside observations, rewards and track features it knows the length of a session, and the place in it
    through the state of `predict`. It assumes sessions of that length and sums rewards without discount.

    Sources: Moscato (1989), "On evolution, search, optimization, genetic algorithms and martial arts: towards memetic
    algorithms", for the search; Sutton (1991), "Dyna", for planning in a learned model that is refitted to what the
    plans led to.

    Unlike other SB3 algorithms, it has no learning rate, discount or exploration when acting, takes no gradient steps
    between environment steps, and has no replay buffer to save.

    Args:
        policy: "PlanningPolicy", or a class derived from it.
        env: an environment whose observation space names its feature vectors (`blocks`), with `max_episode_steps`.
        n_plans: number of plans in the library.
        n_improved: plans of the library that are improved for a session; more give a higher return and take longer.
        policy_kwargs: further arguments of the policy.
        stats_window_size: as in SB3, like the following.
        tensorboard_log: folder of the log.
        verbose: 0, 1 or 2.
        seed: seed of everything random.
        device: accepted for SB3; everything is computed on the CPU.

    Raises:
        ValueError: `env` does not meet these conditions, or a number of plans is not a positive integer.
    """

    policy: PlanningPolicy
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"PlanningPolicy": PlanningPolicy}

    def __init__(
        self,
        policy: str | type[BasePolicy],
        env: GymEnv | str | None,
        n_plans: int = 192,
        n_improved: int = 2,
        policy_kwargs: dict[str, Any] | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "cpu",
        _init_setup_model: bool = True,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate=0.0,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device="cpu",
            support_multi_env=True,
            seed=seed,
            supported_action_spaces=(spaces.Discrete,),
        )
        for name, number in (("n_plans", n_plans), ("n_improved", n_improved)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise ValueError(f"{name}={number!r} must be a whole number of 1 or more")
        self.n_plans, self.n_improved = n_plans, n_improved
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self._vec_normalize_env is not None:
            raise ValueError(
                "a learned model compares observations with the features of tracks; leave VecNormalize out"
            )
        self.set_random_seed(self.seed)
        self.rng = np.random.default_rng(self.seed)
        if self.env is not None:
            self.policy_kwargs = {**self.policy_kwargs, "horizon": _horizon_of(self.env)}
        sizes = {"n_plans": self.n_plans, "n_improved": self.n_improved}
        policy: Any = self.policy_class(self.observation_space, self.action_space, **(sizes | self.policy_kwargs))
        self.policy = policy

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_experience"]

    def set_env(self, env: GymEnv, force_reset: bool = True) -> None:
        """Replace the environment that the model plays and trains in.

        Raises:
            BindingError: the model does not fit the catalogue of `env`.
        """
        env = self._wrap_env(env, self.verbose)
        self.policy.bind(env.observation_space, env.action_space)
        self.observation_space, self.action_space = env.observation_space, env.action_space
        super().set_env(env, force_reset)

    def predict(self, *args: Any, **kwargs: Any) -> tuple[Ints, Any]:
        """Return the next track of each session's plan, and the state; the arguments of `PlanningPolicy.predict`."""
        return self.policy.predict(*args, **kwargs)

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "ModelBased",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Train for `total_timesteps` environment steps; as in SB3, with `log_interval` in episodes."""
        steps, callback = self._setup_learn(total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar)
        self._experience = _Experience()
        callback.on_training_start(locals(), globals())
        end, n_planned = float(self.num_timesteps), 0
        for share, known in _SCHEDULE:
            n_plans = math.ceil(known * self.policy.n_plans)
            self._plan_library(n_planned, n_plans)
            n_planned, end = n_plans, end + share * (steps - self._num_timesteps_at_start)
            if not self._play(callback, min(round(end), steps), log_interval, n_plans > 0):
                break
            self._fit(*_FIT[known > 0])
        callback.on_training_end()
        return self

    def _plan_library(self, first: int, n: int) -> None:
        """Fill the library up to n plans, searching from random plans at first, later from plans of the library."""
        policy, starts = self.policy, self._experience.starts
        model, distinct = policy.model(), policy.tracks.distinct
        for place in range(first, n if starts else 0):
            start = starts[self.rng.integers(len(starts))]
            if first:
                rollout = self._crossed(model, start, place)
            else:
                plan = self.rng.choice(distinct, policy.horizon, replace=len(distinct) < policy.horizon)
                rollout = model.rollout(start, plan)
            policy.remember(place, policy.improved(model, rollout, seed=place).plan)

    def _crossed(self, model: LearnedModel, start: Seen, n: int) -> Rollout[Seen]:
        """Return the best of the first n plans for a start, with a random segment replaced by another plan's."""
        best = next(self.policy.best_of_library(model, start, 1, n)).plan
        other = self.policy.plans[self.rng.integers(n)]
        places = np.arange(len(best))
        ends = self.rng.integers(len(best) + 1, size=2)
        return self.policy.rollout(model, start, np.where((ends.min() <= places) & (places < ends.max()), other, best))

    def _play(self, callback: BaseCallback, end: int, log_interval: int, by_library: bool) -> bool:
        """Play sessions until step `end`, by the library or at random; return whether to continue training."""
        assert self.env is not None
        model, n = self.policy.model(), self.n_envs
        observations: Any = self.env.reset()
        played = played_of(list(self.env.reset_infos))
        plans, places, dones = np.zeros((n, self.policy.horizon), np.int64), np.zeros(n, np.int64), np.ones(n, np.bool_)
        callback.on_rollout_start()
        while self.num_timesteps < end:
            for row in np.flatnonzero(dones):
                start = self.policy.seen(observations[[row]], None if played is None else played[row])
                self._experience.starts.append(start)
                if by_library:
                    plans[row], places[row] = next(self.policy.best_of_library(model, start)).plan, 0
            actions = plans[np.arange(n), places] if by_library else self._random(played)
            following: Any
            following, rewards, dones, infos = self.env.step(actions)
            self.num_timesteps += n
            callback.update_locals(locals())
            if not callback.on_step():
                return False
            self._update_info_buffer(infos, dones)
            self._experience.add(observations, actions, rewards, following, infos)
            observations, places = following, (places + 1) % self.policy.horizon
            played = played_next(infos, dones, list(self.env.reset_infos))
            self._log(int(dones.sum()), log_interval)
        callback.on_rollout_end()
        return True

    def _random(self, played: Played | None) -> Ints:
        tracks = self.policy.tracks
        if played is None:
            return self.rng.choice(tracks.distinct, self.n_envs)
        return draw_unplayed(self.rng, tracks.recordings, played)

    def _log(self, n_ended: int, interval: int) -> None:
        before, self._episode_num = self._episode_num, self._episode_num + n_ended
        if before // interval == self._episode_num // interval:
            return
        for name, key in (("rollout/ep_rew_mean", "r"), ("rollout/ep_len_mean", "l")):
            self.logger.record(name, safe_mean([episode[key] for episode in self.ep_info_buffer or ()]))
        self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
        self.logger.dump(self.num_timesteps)

    def _fit(self, gradient_steps: int, rate: float) -> None:
        """Fit the model to all experience: the next observation by least squares, the reward by gradient descent."""
        policy, experience = self.policy, self._experience
        observations, actions, rewards, following = experience.arrays()
        tracks = policy.tracks
        known = np.concatenate([observations, tracks.both[actions], np.ones((len(actions), 1), np.float32)], axis=1)
        fitted = np.linalg.lstsq(known.astype(np.float64), following.astype(np.float64), rcond=1e-6)[0]
        policy.transition.copy_(th.from_numpy(fitted))
        inputs = th.from_numpy(policy.model().read(observations, tracks.units[actions][:, None])[:, 0])
        targets = th.from_numpy(rewards)
        optimizer = Adam(policy.reward.parameters(), 1.0)
        for step in range(gradient_steps):
            optimizer.param_groups[0]["lr"] = rate * 0.01 ** (step / gradient_steps)
            batch = th.from_numpy(self.rng.integers(len(targets), size=_BATCH))
            loss = ((policy.reward(inputs[batch])[:, 0] - targets[batch]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self._n_updates += gradient_steps
        self.logger.record("train/reward_error", loss.item() ** 0.5)


class _Experience:
    """Training data: the starts of sessions, and all steps that were not repeats."""

    def __init__(self) -> None:
        self.starts: list[Seen] = []
        self._steps: list[tuple[Floats, Ints, Floats, Floats]] = []

    def add(self, observations: Floats, actions: Ints, rewards: Floats, following: Floats, infos: Any) -> None:
        """Store one step of all sessions."""
        after = following.copy()
        for row, info in enumerate(infos):
            if "terminal_observation" in info:
                after[row] = info["terminal_observation"]
        new = np.array([not info.get("repeat", False) for info in infos])
        self._steps.append((observations[new], actions[new], rewards[new], after[new]))

    def arrays(self) -> tuple[Floats, Ints, Floats, Floats]:
        """Return observations (n, k), tracks (n,), rewards (n,) and next observations (n, k)."""
        observations, actions, rewards, following = (np.concatenate(part) for part in zip(*self._steps, strict=True))
        return observations, actions, rewards, following


def _horizon_of(env: VecEnv) -> int:
    spec = env.get_attr("spec", indices=0)[0]
    if spec is None or spec.max_episode_steps is None:
        raise ValueError("the search needs to know when a session ends: make the environment with `max_episode_steps`")
    return int(spec.max_episode_steps)
