"""Files of strangers: each is read or refused by name, and none of them executes anything or leads anywhere else."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from experiments.trust.damage import damaged, shuffled
from spotify_gym import Catalogue, CatalogueError, cli
from spotify_gym.algorithms import BindingError
from spotify_gym.listeners import SkippingListener
from spotify_gym.training import ConfigError, RunError, TrainConfig, load_run, resume, train
from spotify_gym.training.tensors import Tensors, read_tensors, write_tensors

REFUSALS = (RunError, ConfigError, BindingError, CatalogueError)
CONFIG = TrainConfig(
    catalogue="builtin:60",
    env="SpotifySkip-v0",
    policy="mlp",
    hidden=(8,),
    steps=120,
    n_envs=4,
    learning_starts=40,
    checkpoint_seconds=0,
)


class Leave(BaseCallback):
    """End a training as a power cut does, with a checkpoint behind it."""

    def _on_step(self) -> bool:
        if self.num_timesteps >= 80:
            raise InterruptedError
        return True


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "finished"
    train(CONFIG, path)
    return path


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "interrupted"
    with pytest.raises(InterruptedError):
        train(CONFIG, path, callbacks=[Leave()])
    return path


class Bomb:
    """Makes a folder of the name `exploded` where it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


def torch_bomb() -> bytes:
    file = io.BytesIO()
    torch.save({"weight": Bomb()}, file)
    return file.getvalue()


def zip_bomb() -> bytes:
    """An SB3 file whose data is a bomb."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(
            "data", json.dumps({"policy_class": {":type:": "x", ":serialized:": pickle.dumps(Bomb()).hex()}})
        )
        archive.writestr("policy.pth", torch_bomb())
    return file.getvalue()


def npz_bomb() -> bytes:
    file = io.BytesIO()
    np.savez(file, features=np.array([Bomb()], dtype=object))
    return file.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "pickle": lambda: pickle.dumps(Bomb()),
    "torch": torch_bomb,
    "zip": zip_bomb,
    "npz": npz_bomb,
    "yaml": lambda: b"!!python/object/apply:os.mkdir ['exploded']",
    "json": lambda: b'{"py/object": "os.mkdir", "__reduce__": ["os.mkdir", ["exploded"]]}',
}
FILES = ("config.json", "meta.json", "weights.safetensors", "checkpoint.safetensors", "model.zip", "learning_curve.csv")


def tried(call: Callable[[], object]) -> str | None:
    """Return in which words a call was refused."""
    try:
        call()
    except REFUSALS as error:
        return str(error)
    return None


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", [*FILES, "q_network_checkpoint.pth", "learning_curve.png", "evaluation.csv"])
def test_bomb__in_any_file_of_a_run_goes_unexploded(
    bomb: str, name: str, finished: Path, interrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for source in (finished, interrupted):
        folder = Path(shutil.copytree(source, tmp_path / source.name))
        (folder / name).write_bytes(BOMBS[bomb]())
        tried(lambda folder=folder: load_run(folder))
        if source == interrupted and name in ("config.json", "checkpoint.safetensors"):
            assert tried(lambda folder=folder: resume(folder))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet", ".csv.gz"])
def test_bomb__as_a_catalogue_goes_unexploded(
    bomb: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"songs{suffix}"
    path.write_bytes(BOMBS[bomb]())
    for read in (Catalogue.read, Catalogue.load):
        with pytest.raises(CatalogueError):
            read(path)
    assert not Path("exploded").exists()


def test_bomb__in_model_zip_is_the_one_that_trust_is_asked_for(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "weights.safetensors").unlink()
    (folder / "model.zip").write_bytes(zip_bomb())
    assert cli.main(["evaluate", str(folder), "--sessions", "2"]) == 2
    assert "pass --trust" in capsys.readouterr().err
    assert not Path("exploded").exists()


JSON_BOMBS = {
    "deep": "[" * 200_000,
    "deep names": '{"a":' * 50_000,
    "long": '{"env": "' + "x" * 2_000_000 + '"}',
    "digits": '{"steps": ' + "9" * 10_000 + "}",
    "infinite": '{"gamma": 1e999}',
    "not a number": '{"learning_rate": NaN}',
    "twice": '{"steps": 10, "steps": "x"}',
    "half a character": '{"env": "\\ud800"}',
    "wide": '{"hidden": [65536, 65536, 65536]}',
    "many layers": '{"hidden": [' + "64," * 100_000 + "64]}",
    "huge": '{"catalogue": "builtin:9999999999999"}',
    "null byte": '{"catalogue": "a\\u0000b"}',
    "history": '{"history_length": 1000, "state": "history", "catalogue": "builtin:60"}',
}


@pytest.mark.parametrize("bomb", JSON_BOMBS)
def test_json__of_any_kind_is_refused_in_words(bomb: str, finished: Path, interrupted: Path, tmp_path: Path) -> None:
    for source, go in ((finished, load_run), (interrupted, resume)):
        folder = Path(shutil.copytree(source, tmp_path / source.name))
        (folder / "config.json").write_text(JSON_BOMBS[bomb])
        assert tried(lambda folder=folder, go=go: go(folder))
    folder = Path(shutil.copytree(finished, tmp_path / "meta"))
    (folder / "meta.json").write_text(JSON_BOMBS[bomb])
    assert tried(lambda: load_run(folder))
    (tmp_path / "listener.json").write_text(JSON_BOMBS[bomb])
    with pytest.raises(ValueError, match=r"listener\.json"):
        SkippingListener.from_json(tmp_path / "listener.json")


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../../../etc/passwd",
        "/dev/zero",
        "/dev/stdin",
        "/proc/self/mem",
        "https://example.org/x.csv",
    ],
)
def test_config__that_names_a_file_of_the_system_gets_no_further(target: str, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "catalogue": target}))
    with pytest.raises(CatalogueError):
        load_run(folder)


def test_catalogue__that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("songs.csv", "songs.npz"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(CatalogueError, match="is no regular file"):
            (Catalogue.load if name.endswith("npz") else Catalogue.read)(tmp_path / name)


@pytest.mark.parametrize("name", FILES)
def test_file__that_is_a_pipe_a_folder_or_a_link_is_refused(name: str, finished: Path, tmp_path: Path) -> None:
    makers: dict[str, Callable[[Path], object]] = {
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
        "link": lambda file: file.symlink_to("/etc/passwd"),
    }
    for kind, make in makers.items():
        folder = Path(shutil.copytree(finished, tmp_path / kind))
        (folder / name).unlink(missing_ok=True)
        make(folder / name)
        told = tried(lambda folder=folder: load_run(folder))
        assert told or name in ("model.zip", "checkpoint.safetensors")


def test_training__writes_only_into_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "one"
    train(CONFIG, run)
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {run}
    assert all(stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH == 0 for path in run.iterdir())


@pytest.mark.parametrize("name", [name for name in FILES if name != "model.zip"])
def test_damaged_run__loads_or_is_refused(name: str, finished: Path, tmp_path: Path) -> None:
    whole = (finished / name).read_bytes() if (finished / name).exists() else b""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    for case in range(25):
        (folder / name).write_bytes(damaged(whole, np.random.default_rng([7, case])))
        tried(lambda: load_run(folder))


def forged(tensors: Tensors, rng: np.random.Generator) -> Tensors:
    """Change one array or one fact to what it must not be; the checksum will be right."""
    arrays, facts = dict(tensors.arrays), copy.deepcopy(tensors.facts)
    wrong: list[Any] = [None, -1, 10**9, 2.5, "x", [], {}, True, [1] * 700, float("nan"), -(2**70)]
    if rng.random() < 0.5:
        name = str(rng.choice(sorted(facts)))
        inner = facts[name]
        target, key = (inner, str(rng.choice(sorted(inner)))) if isinstance(inner, dict) else (facts, name)
        target[key] = wrong[rng.integers(len(wrong))]
        return Tensors(arrays, facts)
    name = str(rng.choice(sorted(arrays)))
    array = arrays[name]
    ways: list[Callable[[], Any]] = [
        lambda: array[:0],
        lambda: np.concatenate([array, array]) if array.ndim else array[None],
        lambda: array[..., None],
        lambda: array.astype(np.float64),
        lambda: np.full_like(array, 10**6) if array.dtype.kind in "if" else ~array,
        lambda: np.full_like(array, -1) if array.dtype.kind in "if" else array,
        lambda: array * np.nan if array.dtype.kind == "f" else array,
    ]
    arrays[name] = np.ascontiguousarray(ways[rng.integers(len(ways))]())
    if rng.random() < 0.1:
        del arrays[name]
    return Tensors(arrays, facts)


@pytest.mark.parametrize("part", range(4))
def test_forged_checkpoint__goes_on_in_numbers_or_is_refused(part: int, interrupted: Path, tmp_path: Path) -> None:
    """With its checksum right, it is a checkpoint that no training has led to."""
    whole = read_tensors(interrupted / "checkpoint.safetensors")
    for case in range(part * 15, part * 15 + 15):
        folder = Path(shutil.copytree(interrupted, tmp_path / str(case)))
        write_tensors(folder / "checkpoint.safetensors", forged(whole, np.random.default_rng([3, case])))
        if tried(lambda folder=folder: resume(folder)) is None:
            weights = read_tensors(folder / "weights.safetensors").arrays
            assert all(np.isfinite(array).all() for array in weights.values())


def test_forged_checkpoint__writes_nowhere_out_of_bounds(interrupted: Path, tmp_path: Path) -> None:
    """The loops that Numba compiles look at no bounds, so that the door must."""
    whole = read_tensors(interrupted / "checkpoint.safetensors")
    for name, value in (("time", 10**6), ("time", -(10**6)), ("played", 10**6), ("history", -1)):
        folder = Path(shutil.copytree(interrupted, tmp_path / f"{name}{value}"))
        array = np.full_like(whole.arrays[f"sessions.{name}"], value)
        write_tensors(
            folder / "checkpoint.safetensors", whole._replace(arrays={**whole.arrays, f"sessions.{name}": array})
        )
        assert tried(lambda folder=folder: resume(folder))


WORDS = (
    *("--steps", "--env", "--gamma", "--out", "--resume", "--settings", "--history", "--top", "--sessions", "--seed"),
    *("-1", "0", "1e999", "nan", "", " ", "--", "-", "=", "--=", "--help", "\x1b[2J", "é", "[", "%s", "{}", "True"),
    *("SpotifySkip-v0", "runs", "nowhere/at/all", "/dev/null", "songs.csv", "catalogue.npz", "--trust", "--hidden"),
)
LINES = (
    "prepare songs.csv --out catalogue.npz --scaling minmax --columns track_id=track_id",
    "train --env SpotifyPlaylist-v0 --policy mlp --hidden 8 --gamma 0.5",
    "evaluate run --sessions 3 --seed 1000000000",
    "recommend run --history a,b,c,d,e --top 3",
    "compare run run --sessions 2",
)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split()[0])
def test_command_line__of_any_words_works_or_says_why(
    line: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, "run")
    Path("songs.csv").write_text("track_id,tempo\nx,1\n")
    command, *words = line.split()
    for case in range(25):
        changed = shuffled(words, WORDS, np.random.default_rng([5, case]))
        quick = ["--steps", "20", "--catalogue", "builtin:60"] if command == "train" else []
        try:
            code = cli.main([command, *changed, *quick])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert code in (0, 2), (changed, err)
        assert "Traceback" not in out + err
        assert code == 0 or err.strip().count("\n") <= 2, err
