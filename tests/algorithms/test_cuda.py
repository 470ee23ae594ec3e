"""On a GPU: the same tracks as on the CPU, and runs that move from one to the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch as th

from spotify_gym.catalogue import Catalogue
from spotify_gym.search.exact_topk import in_blocks, largest
from spotify_gym.training import TrainConfig, evaluate, load_run, train

pytestmark = pytest.mark.skipif(not th.cuda.is_available(), reason="there is no CUDA GPU here")

N = 20_000


@pytest.mark.parametrize("batch", [1, 64, 100])
def test_largest__finds_on_a_gpu_what_it_finds_on_the_processor(batch):
    rng = np.random.default_rng(0)
    vectors, queries = (th.from_numpy(rng.standard_normal((n, 9)).astype(np.float32)) for n in (211_871, batch))
    _, best = largest(in_blocks(vectors), len(vectors), queries, 3)
    excluded = best[:, :2].contiguous()
    for left_out in (None, excluded):
        values, places = largest(in_blocks(vectors), len(vectors), queries, 10, left_out)
        found = largest(
            in_blocks(vectors).cuda(), len(vectors), queries.cuda(), 10, None if left_out is None else left_out.cuda()
        )
        th.testing.assert_close(found[0].cpu(), values)
        th.testing.assert_close((vectors[found[1].cpu()] * queries[:, None]).sum(2), values)
        assert (found[1].cpu() == places).double().mean() > 0.999  # except for ties by rounding


@pytest.mark.parametrize("env", ["SpotifySession-v0", "SpotifyPlaylist-v0", "SpotifyTaste-v0"])
@pytest.mark.parametrize("algorithm", ["dqn", "dueling_double"])
def test_train__on_a_gpu__comes_to_play_as_on_the_processor(env, algorithm, tmp_path):
    catalogue, returns = Catalogue.builtin(N), {}
    for device in ("cpu", "cuda"):
        config = TrainConfig(env=env, algorithm=algorithm, steps=10_000, seed=0, device=device)
        run = train(config, tmp_path / device, catalogue=catalogue)
        assert run.model.device.type == device
        assert all(parameter.isfinite().all() for parameter in run.model.policy.parameters())
        returns[device] = evaluate(run.model, env, 50, catalogue=catalogue, state=run.config.state).returns.mean()
    assert abs(returns["cuda"] - returns["cpu"]) < 0.05 * abs(returns["cpu"])


def test_load__of_a_gpu_run_on_the_processor__plays_the_same(tmp_path):
    catalogue = Catalogue.builtin(N)
    config = TrainConfig(env="SpotifyPlaylist-v0", steps=3_000, seed=0, device="cuda")
    model = train(config, tmp_path / "run", catalogue=catalogue).model
    there = evaluate(model, config.env, 20, catalogue=catalogue).returns
    loaded = load_run(tmp_path / "run", catalogue).model
    assert loaded.device.type == "cpu"
    here = evaluate(loaded, config.env, 20, catalogue=catalogue).returns
    np.testing.assert_allclose(here, there, atol=1e-4)
