"""Train several seeds in parallel with Dask, on this machine or on a cluster by the address of its scheduler."""

import logging
from dataclasses import replace

import numpy as np
from dask.distributed import Client, LocalCluster

from spotify_gym.training import TrainConfig, evaluate, train

TASK = TrainConfig(
    env="SpotifyPlaylist-v0", algorithm="double", catalogue="builtin:1000", steps=300, learning_starts=100
)


def return_of(seed: int) -> float:
    """Train one run and return its mean return in the held-out sessions, which are the same for all."""
    run = train(replace(TASK, seed=seed))
    return float(evaluate(run.model, TASK.env, 30, catalogue=run.catalogue).returns.mean())


if __name__ == "__main__":  # each worker process imports this file
    here = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.ERROR}
    with LocalCluster(**here) as cluster, Client(cluster) as client:
        returns = client.gather(client.map(return_of, range(2)))
    print(f"two runs: {np.mean(returns):.2f} ± {np.std(returns, ddof=1):.4f}")
