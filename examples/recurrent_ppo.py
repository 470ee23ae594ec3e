"""sb3-contrib's RecurrentPPO over the whole catalogue, whose LSTM can remember what the listener skipped.

Its action is a direction in feature space; `ProtoAction` plays the nearest unplayed track by cosine.
"""

import gymnasium as gym
import numpy as np
import torch
from sb3_contrib import RecurrentPPO

import spotify_gym
from spotify_gym.wrappers import ProtoAction

torch.set_num_threads(1)
env = ProtoAction(gym.make("SpotifySkip-v0", catalogue=spotify_gym.Catalogue.builtin(2000)))
options = {"n_steps": 256, "batch_size": 64, "n_epochs": 2, "seed": 0, "policy_kwargs": {"lstm_hidden_size": 32}}
model = RecurrentPPO("MlpLstmPolicy", env, **options).learn(512)

returns = []
for seed in range(3):
    observation, _ = env.reset(seed=seed)
    state, begins, over, total = None, np.ones(1, bool), False, 0.0
    while not over:
        action, state = model.predict(observation, state=state, episode_start=begins, deterministic=True)
        observation, reward, left, cut, _ = env.step(action)
        begins, over, total = np.zeros(1, bool), left or cut, total + reward
    returns.append(total)
print(f"RecurrentPPO: {np.mean(returns):.1f} tracks heard out a session")
