"""Write sessions to a Minari dataset, and read them back for offline learning."""

import os
import tempfile
import warnings

import gymnasium as gym
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

import spotify_gym  # noqa: F401 - registers the ids
from spotify_gym.policies import NearestPolicy

warnings.filterwarnings("ignore", category=UserWarning)  # about a missing author
env = gym.make("SpotifyPlaylist-v0", catalogue="builtin:500")
policy, rng = NearestPolicy(env), np.random.default_rng(0)


def session(seed: int) -> EpisodeBuffer:
    """Play a session: half of the tracks are the nearest, half are random ones that may be played."""
    observations, steps, over = [env.reset(seed=seed)[0]], [], False
    while not over:
        any_track = rng.choice(np.flatnonzero(env.unwrapped.action_masks()))
        track = any_track if rng.random() < 0.5 else policy.predict(observations[-1])[0]
        observation, reward, left, cut, _ = env.step(track)
        observations.append(observation)
        steps.append((track, reward, left, cut))
        over = left or cut
    actions, rewards, ends, cuts = map(np.array, zip(*steps, strict=True))
    return EpisodeBuffer(seed, seed, None, np.array(observations), actions, rewards, ends, cuts)


with tempfile.TemporaryDirectory() as folder:
    os.environ["MINARI_DATASETS_PATH"] = folder
    name = "spotify/half-nearest-v0"
    minari.create_dataset_from_buffers(name, [session(seed) for seed in range(10)], env=env, data_format="arrow")

    dataset = minari.load_dataset(name)
    returns = [episode.rewards.sum() for episode in dataset.iterate_episodes()]
    print(f"{dataset.total_episodes} sessions, {dataset.total_steps} tracks, mean return {np.mean(returns):.2f}")
    episode = dataset[0]
    print("one session:", episode.observations.shape, episode.actions.shape, episode.rewards.dtype)
