"""The replay buffer stores the same numbers as SB3's, and the played tracks."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer

from spotify_gym.algorithms.replay import PlayedReplayBuffer

OBSERVATION, ACTION = spaces.Box(-1, 1, (3,), np.float32), spaces.Discrete(50)


def fill(buffers, n_steps, n_envs, with_played=False):
    rng = np.random.default_rng(0)
    for step in range(n_steps):
        dones = rng.random(n_envs) < 0.2
        infos = [{"TimeLimit.truncated": bool(done and rng.random() < 0.5)} for done in dones]
        if with_played:
            for i, info in enumerate(infos):
                info["played"] = np.arange(1 + step % 5) + 10 * i + step
        transition = (
            rng.standard_normal((n_envs, 3)),
            rng.standard_normal((n_envs, 3)),
            rng.integers(50, size=n_envs),
            rng.standard_normal(n_envs),
            dones,
            infos,
        )
        for buffer in buffers:
            buffer.add(*transition)


def sample(buffer, size=64):
    np.random.seed(1)  # noqa: NPY002
    return buffer.sample(size)


@pytest.mark.parametrize("n_envs", [1, 2])
@pytest.mark.parametrize("filled", [5, 20, 33])  # the buffer holds 20 rows
@pytest.mark.parametrize("n_steps", [1, 2, 4])
def test_buffer__samples_what_sb3s_buffers_sample(n_steps, filled, n_envs):
    where = (20 * n_envs, OBSERVATION, ACTION, "cpu", n_envs)
    theirs = NStepReplayBuffer(*where, n_steps=n_steps, gamma=0.9)
    ours = PlayedReplayBuffer(*where, n_steps=n_steps, gamma=0.9)
    fill([theirs, ours], filled, n_envs)
    expected, batch = sample(theirs), sample(ours)
    for name in expected._fields:
        assert th.equal(getattr(expected, name), getattr(batch, name)), name
    assert batch.played is None


def test_buffer__of_one_step_is_the_plain_replay_buffer():
    theirs, ours = ReplayBuffer(20, OBSERVATION, ACTION, "cpu"), PlayedReplayBuffer(20, OBSERVATION, ACTION, "cpu")
    fill([theirs, ours], 15, 1)
    for expected, value in zip(sample(theirs)[:5], sample(ours)[:5], strict=True):
        assert th.equal(expected, value)


@pytest.mark.parametrize("n_steps", [1, 3])
def test_buffer__gives_what_was_played_before_the_next_observation(n_steps):
    buffer = PlayedReplayBuffer(40, OBSERVATION, ACTION, "cpu", 2, n_steps=n_steps)
    fill([buffer], 30, 2, with_played=True)
    batch = sample(buffer)
    for observation, played in zip(batch.next_observations.numpy(), batch.played.numpy(), strict=True):
        [(row, env)] = np.argwhere((buffer.next_observations == observation).all(axis=2))
        step = row if row >= 10 else row + 20  # 30 steps in 20 rows
        assert played[played >= 0].tolist() == list(range(10 * env + step, 10 * env + step + 1 + step % 5))


def test_buffer__knows_nothing_played_where_the_info_is_silent():
    buffer = PlayedReplayBuffer(4, OBSERVATION, ACTION, "cpu")
    fill([buffer], 6, 1, with_played=True)
    fill([buffer], 4, 1, with_played=False)
    assert (sample(buffer).played == -1).all()


def test_buffer__counts_truncation_as_no_end():
    buffer = PlayedReplayBuffer(4, OBSERVATION, ACTION, "cpu", n_steps=3, gamma=0.5)
    for done, truncated in ((False, False), (True, True), (False, False)):
        one = np.ones((1, 3))
        buffer.add(one, one, np.array([1]), np.array([1.0]), np.array([done]), [{"TimeLimit.truncated": truncated}])
    batch = buffer._get_samples(np.array([0]))
    assert batch.rewards.item() == 1.5  # two rewards up to the truncation, not the third
    assert batch.discounts.item() == 0.25
    assert batch.dones.item() == 0.0


def test_buffer__refuses_what_it_cannot_do():
    options = {"optimize_memory_usage": True, "handle_timeout_termination": False}
    with pytest.raises(NotImplementedError, match="optimize_memory_usage"):
        PlayedReplayBuffer(4, OBSERVATION, ACTION, **options)
