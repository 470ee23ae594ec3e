"""A run folder comes back as the model it was, and nothing in it is executed unasked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from spotify_gym import Catalogue
from spotify_gym.algorithms import BindingError
from spotify_gym.training import evaluate
from spotify_gym.training.artifacts import Run, load_run, weights_of
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.tensors import RunError, Tensors, read_tensors, write_tensors
from spotify_gym.training.trainer import train
from tests.catalogues import hand_made

QUICK: dict[str, Any] = {"catalogue": "builtin:300", "hidden": (8,), "steps": 100, "learning_starts": 40, "n_envs": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TrainConfig(**QUICK, policy="mlp", env="SpotifyPlaylist-v0"), tmp_path_factory.mktemp("runs") / "mlp")


@pytest.fixture
def folder(trained: Run, tmp_path: Path) -> Path:
    """A copy of the run folder, to be damaged."""
    assert trained.path is not None
    return Path(shutil.copytree(trained.path, tmp_path / "run"))


def test_load_run__gives_the_model_back(trained: Run, folder: Path) -> None:
    loaded = load_run(folder)
    assert (loaded.config, loaded.catalogue.fingerprint) == (trained.config, trained.catalogue.fingerprint)
    assert loaded.model.env is not None
    obs, played = loaded.model.env.reset(), np.arange(50)
    assert loaded.model.predict(obs, deterministic=True, played=played) == trained.model.predict(
        obs, deterministic=True, played=played
    )


def test_load_run__refuses_a_per_track_model_any_other_catalogue(folder: Path, small: Catalogue) -> None:
    with pytest.raises(BindingError, match="one output per track"):
        load_run(folder, small)


def test_load_run__needs_trust_for_a_zip(trained: Run, folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="can run any code that is in it; pass --trust"):
        load_run(folder)
    loaded, ours = load_run(folder, trust=True), weights_of(trained.model)
    assert all(np.array_equal(array, ours[name]) for name, array in weights_of(loaded.model).items())
    (folder / "model.zip").write_bytes(b"PK nonsense")
    with pytest.raises(RunError, match=r"model.zip is damaged"):
        load_run(folder, trust=True)
    (folder / "model.zip").unlink()
    with pytest.raises(RunError, match="has no model yet; go on training with --resume"):
        load_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", r"config.json is damaged"),
        ("config.json", "[]", "a configuration is a mapping"),
        ("config.json", '{"gamma": 3}', "gamma=3 must be from 0 to 1"),
        ("config.json", "[" * 100_000, r"config.json is damaged"),
        ("config.json", " " * 2_000_000, r"config.json is too long"),
        ("meta.json", "{}", "does not say which catalogue"),
        ("meta.json", '{"catalogue": {}}', "does not say"),
        ("meta.json", "\xff", r"meta.json is damaged"),
        ("weights.safetensors", "stuff", r"weights.safetensors is damaged"),
    ],
)
def test_load_run__says_what_is_damaged(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    with pytest.raises((RunError, BindingError), match=message):
        load_run(folder)


def test_load_run__refuses_weights_of_another_network(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "hidden": [9]}))
    with pytest.raises(RunError, match="the weights are those of another network"):
        load_run(folder)


def test_load_run__refuses_weights_that_are_no_numbers(folder: Path) -> None:
    arrays, facts = read_tensors(folder / "weights.safetensors")
    name = next(iter(arrays))
    write_tensors(folder / "weights.safetensors", Tensors({**arrays, name: arrays[name] * np.nan}, facts))
    with pytest.raises(RunError, match="are not all finite numbers"):
        load_run(folder)


def test_load_run__refuses_safetensors_without_checksum(folder: Path) -> None:
    save_file(read_tensors(folder / "weights.safetensors").arrays, folder / "weights.safetensors")
    with pytest.raises(RunError, match="is no file of this program"):
        load_run(folder)


def test_load_run__follows_no_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("text")
    (folder / "tensorboard").symlink_to(tmp_path)
    with pytest.raises(RunError, match="tensorboard is a link"):
        load_run(folder)


def test_load_run__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize(("names", "said"), [("xyz", "x, y, z"), ("xz", "x, z")])
def test_load_run__refuses_a_catalogue_of_other_features_by_name(tmp_path: Path, names: str, said: str) -> None:
    rng = np.random.default_rng(0)
    learned = Catalogue.from_features(rng.normal(size=(30, 2)), feature_names="xy")
    train(TrainConfig(env="SpotifyPlaylist-v0", steps=20), tmp_path / "run", catalogue=learned)
    other = Catalogue.from_features(rng.normal(size=(30, len(names))), feature_names=names)
    with pytest.raises(ValueError, match=rf"this model knows tracks by x, y.* by {said}"):
        load_run(tmp_path / "run", other)


def test_load_run__plays_from_other_catalogues_that_are_measured_alike(small: Catalogue, tmp_path: Path) -> None:
    """A model that hears features plays from any catalogue, scaled as its own was; its size on disk is its own."""
    run = train(TrainConfig(**QUICK, env="SpotifyPlaylist-v0"), tmp_path / "run")
    assert (tmp_path / "run" / "weights.safetensors").stat().st_size < 1_000_000
    for other in ("builtin:1000", Catalogue.builtin(50, seed=3, scaling="minmax")):
        loaded = load_run(tmp_path / "run", other)
        assert loaded.catalogue.coordinates == run.catalogue.coordinates
        played = evaluate(loaded.model, "SpotifyPlaylist-v0", 5, catalogue=loaded.catalogue)
        assert not played.repeats.any()
    with pytest.raises(BindingError, match=r"acousticness.*feature 0"):
        load_run(tmp_path / "run", hand_made(np.concatenate([np.eye(9, dtype=np.float32) * k for k in (1, 2, 3)])))


def test_checkpoint_pth__is_plain_weights(folder: Path) -> None:
    assert set(torch.load(folder / "q_network_checkpoint.pth", weights_only=True)) == {
        name.removeprefix("q_net.")
        for name in read_tensors(folder / "weights.safetensors").arrays
        if name.startswith("q_net.")
    }
