"""A complete learner in one file, CleanRL style: Q-learning with one output per track, 8 sessions at once."""

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import spotify_gym
from spotify_gym import wrappers

n_envs, n_tracks, steps, gamma = 8, 300, 800, 0.5
many = gym.make_vec("SpotifyPlaylist-v0", num_envs=n_envs, catalogue=spotify_gym.Catalogue.builtin(n_tracks))
envs = gym.wrappers.vector.RecordEpisodeStatistics(wrappers.vector.NearestUnplayed(many))  # no track repeats
torch.manual_seed(0)
torch.set_num_threads(1)
rng = np.random.default_rng(0)
q_network = nn.Sequential(nn.Linear(envs.single_observation_space.shape[0], 64), nn.ReLU(), nn.Linear(64, n_tracks))
optimizer = torch.optim.Adam(q_network.parameters(), lr=1e-3)
replay, returns = [], []

observation, _ = envs.reset(seed=1)
begins = np.zeros(n_envs, bool)  # Gymnasium's vector envs spend a step on each reset: no transition to learn from
for step in range(steps):
    with torch.no_grad():
        greedy = q_network(torch.as_tensor(observation)).argmax(dim=1).numpy()
    explores = rng.random(n_envs) < max(0.05, 1 - 2 * step / steps)
    action = np.where(explores, rng.integers(n_tracks, size=n_envs), greedy)
    following, reward, terminated, truncated, info = envs.step(action)
    rows = list(zip(observation, action, reward, following, terminated, strict=True))
    replay += [rows[i] for i in np.flatnonzero(~begins)]
    returns += info["episode"]["r"][info["_episode"]].tolist() if "episode" in info else []
    observation, begins = following, terminated | truncated

    drawn = [replay[i] for i in rng.integers(len(replay), size=64)]
    o, a, r, n, d = (torch.as_tensor(np.stack(column)) for column in zip(*drawn, strict=True))
    with torch.no_grad():
        target = r + gamma * q_network(n).max(dim=1).values * ~d
    loss = nn.functional.mse_loss(q_network(o).gather(1, a[:, None])[:, 0], target.float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(f"return of the first 40 sessions: {np.mean(returns[:40]):.2f}, of the last 40: {np.mean(returns[-40:]):.2f}")
