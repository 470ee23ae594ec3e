"""A run folder is loaded as the same model, and nothing in it is executed without permission."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from spotify_gym import Catalogue
from spotify_gym.algorithms import BindingError
from spotify_gym.catalogue.files import replacing
from spotify_gym.cli import main
from spotify_gym.training import evaluate
from spotify_gym.training.artifacts import Run, draw_curve, load_run, weights_of
from spotify_gym.training.config import TrainConfig
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import RunError, Tensors, prefixed, read_tensors, write_tensors
from spotify_gym.training.trainer import train
from tests.catalogues import hand_made

QUICK: dict[str, Any] = {"catalogue": "builtin:300", "hidden": (8,), "steps": 100, "learning_starts": 40, "n_envs": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(TrainConfig(**QUICK, policy="mlp", env="SpotifyPlaylist-v0"), tmp_path_factory.mktemp("runs") / "mlp")


@pytest.fixture
def folder(trained: Run, tmp_path: Path) -> Path:
    """A copy of the run folder that a test may damage."""
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
    with pytest.raises(RunError, match="has no model yet; continue it with --resume"):
        load_run(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", r"config.json is damaged"),
        ("config.json", "[]", "a configuration is a mapping"),
        ("config.json", '{"gamma": 3}', "gamma=3 must be from 0 to 1"),
        ("config.json", "[" * 100_000, r"config.json is damaged"),
        ("config.json", " " * 2_000_000, r"config.json is too large"),
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
    with pytest.raises(RunError, match="is not a file of this program"):
        load_run(folder)


def test_load_run__follows_no_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("text")
    (folder / "tensorboard").symlink_to(tmp_path)
    with pytest.raises(RunError, match="tensorboard is a link"):
        load_run(folder)


def test_load_run__nothing_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize(("names", "said"), [("xyz", "x, y, z"), ("xz", "x, z")])
def test_load_run__refuses_a_catalogue_of_other_features_by_name(tmp_path: Path, names: str, said: str) -> None:
    rng = np.random.default_rng(0)
    learned = Catalogue.from_features(rng.normal(size=(30, 2)), feature_names="xy")
    train(TrainConfig(env="SpotifyPlaylist-v0", steps=20), tmp_path / "run", catalogue=learned)
    other = Catalogue.from_features(rng.normal(size=(30, len(names))), feature_names=names)
    with pytest.raises(ValueError, match=rf"this model describes tracks by x, y.* by {said}"):
        load_run(tmp_path / "run", other)


def test_load_run__plays_from_other_catalogues_that_are_measured_alike(tmp_path: Path) -> None:
    """A model of features plays any catalogue in its own scaling, and its file does not grow with the catalogue."""
    run = train(TrainConfig(**QUICK, env="SpotifyPlaylist-v0"), tmp_path / "run")
    assert (tmp_path / "run" / "weights.safetensors").stat().st_size < 1_000_000
    for other in ("builtin:1000", Catalogue.builtin(50, seed=3, scaling="minmax")):
        loaded = load_run(tmp_path / "run", other)
        assert loaded.catalogue.coordinates == run.catalogue.coordinates
        played = evaluate(loaded.model, "SpotifyPlaylist-v0", 5, catalogue=loaded.catalogue)
        assert not played.repeats.any()
    with pytest.raises(BindingError, match=r"acousticness.*feature 0"):
        load_run(tmp_path / "run", hand_made(np.concatenate([np.eye(9, dtype=np.float32) * k for k in (1, 2, 3)])))


# Files are written atomically, by one process at a time.


def test_replacing__leaves_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("old")

    def fail() -> None:
        with replacing(file) as new:
            new.write(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["value"]


def test_tensors__come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(2.5, np.float32),
        "empty": np.zeros((0, 3), np.int64),
        "words": np.array([2**64 - 1, 0], np.uint64),
        "mask": np.array([[True, False]]),
        "slanted": np.arange(6.0).reshape(2, 3).T,
    }
    write_tensors(tmp_path / "t", Tensors(prefixed("a", arrays), {"n": 2**100, "text": "é"}))
    read = read_tensors(tmp_path / "t")
    assert read.facts == {"n": 2**100, "text": "é"}
    for name, array in read.part("a").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    assert not read.part("b")


@given(where=st.integers(0, 500), value=st.integers(0, 255), length=st.integers(0, 500))
def test_tensors__damaged_anywhere_are_read_or_refused(
    where: int, value: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "damaged"
    write_tensors(file, Tensors({"a": np.arange(20.0)}, {"step": 3}))
    content = bytearray(file.read_bytes())
    content[where % len(content)] = value
    file.write_bytes(content[:length])
    try:
        tensors = read_tensors(file)
    except RunError:
        return
    np.testing.assert_array_equal(tensors.arrays["a"], np.arange(20.0))
    assert tensors.facts == {"step": 3}


def test_tensors__missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="t not found in"):
        read_tensors(tmp_path / "t")


def hold(folder: Path, held: object, let_go: object) -> None:
    with RunFolder(folder).lock():
        held.set()  # type: ignore[attr-defined]
        let_go.wait()  # type: ignore[attr-defined]


def test_lock__keeps_another_process_out_until_it_ends_however_it_ends(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, let_go = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, held, let_go))
    other.start()
    assert held.wait(60)
    with pytest.raises(RunError, match="another process is training in"), RunFolder(tmp_path).lock():
        pass
    other.kill()
    other.join()
    with RunFolder(tmp_path).lock():
        pass


def test_lock__follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("text")
    (tmp_path / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(RunError, match="symbolic links"), RunFolder(tmp_path).lock():
        pass
    assert (tmp_path / "precious").read_text() == "text"


def test_curve__is_drawn_from_the_log(tmp_path: Path) -> None:
    columns = "total_timesteps,time/episodes,time/time_elapsed,rollout/exploration_rate,rollout/ep_rew_mean,train/loss"
    (tmp_path / "progress.csv").write_text(f"time/{columns}\n64,0,1,1,,\n100,5,1,0.5,2.25,\n200,10,3,0.25,4.5,8")
    draw_curve(tmp_path, "title")
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["rollout/ep_rew_mean\n1\n", "\xff", "a" * 200_000, "rollout/ep_rew_mean,a\nx,\n"])
def test_curve__of_a_damaged_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "progress.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match=r"progress.csv is damaged"):
        draw_curve(tmp_path, "title")


# The metadata of a run folder.


def test_card__says_what_data_numbers_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--catalogue", "builtin:300", "--steps", "128", "--n-envs", "4", "--learning-starts", "16"]
    command = ["train", *quick, "--algorithm", "double", "--out", "mine"]
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/spotify-gym", *command])
    assert main(command) == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "# Double DQN in SpotifySession-v0" in card
    assert "300 tracks (synthetic), fingerprint `" in card
    assert f"`spotify-gym {' '.join(command)}`" in card
    assert "Finished after 128 steps; mean return of the last 4 sessions, exploration included: " in card
    assert main(["evaluate", "mine", "--sessions", "5"]) == 0
    evaluated = (tmp_path / "mine" / "README.md").read_text()
    assert "| mine | " in evaluated
    assert "5 held-out sessions." in evaluated
    assert "Finished after" not in evaluated
    weights = tmp_path / "mine" / "weights.safetensors"
    write_tensors(weights, read_tensors(weights)._replace(facts={"steps": 60}))  # as of a run that was stopped
    assert main(["evaluate", "mine", "--sessions", "5"]) == 0
    assert ", 60 environment steps" in (tmp_path / "mine" / "README.md").read_text()
