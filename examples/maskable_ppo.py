"""sb3-contrib's MaskablePPO, which asks the environment which tracks may still be played."""

import gymnasium as gym
import torch
from sb3_contrib import MaskablePPO

import spotify_gym
from spotify_gym.policies import RandomPolicy
from spotify_gym.training import evaluate

torch.set_num_threads(1)
catalogue = spotify_gym.Catalogue.builtin(300)
env = gym.make("SpotifyPlaylist-v0", catalogue=catalogue)  # it has the method `action_masks`: no wrapper needed
model = MaskablePPO("MlpPolicy", env, n_steps=256, gamma=0.5, ent_coef=0.01, seed=0).learn(2_000)

for name, policy in {"MaskablePPO": model, "random": RandomPolicy}.items():
    played = evaluate(policy, "SpotifyPlaylist-v0", n_sessions=50, catalogue=catalogue)
    print(f"{name}: return {played.returns.mean():.2f}, {played.repeats.mean():.0%} repeats")
