"""A reward term of your own: reward tracks that few people know."""

import gymnasium as gym
import numpy as np

import spotify_gym
from spotify_gym.policies import NearestPolicy
from spotify_gym.session.reward import RewardTerm
from spotify_gym.training import evaluate


def discovery(catalogue, b):
    """Give 1 for a track that nobody knows, 0 for the most popular one."""
    unknown = 1 - np.nan_to_num(catalogue.popularity, nan=0) / 100
    return RewardTerm(
        bounds=(0.0, 1.0),
        value=lambda sessions, look: unknown[look.tracks],
        expected=lambda sessions, tracks: np.broadcast_to(unknown[tracks], (len(sessions), len(unknown[tracks]))),
    )


if __name__ == "__main__":
    catalogue = spotify_gym.Catalogue.builtin(2000)
    for weight in 0.0, 0.5:
        reward = {"flow": 1.0, "custom_reward:discovery": weight}
        env = gym.make("SpotifyPlaylist-v0", catalogue=catalogue, reward=reward)
        played = evaluate(NearestPolicy, "SpotifyPlaylist-v0", n_sessions=20, catalogue=catalogue, reward=reward)
        popularity = catalogue.popularity[played.tracks].mean()
        print(f"{weight:.1f} for discovery: the tracks have a popularity of {popularity:.0f} of 100")
        env.close()
