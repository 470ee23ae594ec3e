"""Untrusted files: each is read, or refused with a message; none executes code or leads to other files."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from spotify_gym import Catalogue, CatalogueError, cli
from spotify_gym.listeners import SkippingListener
from spotify_gym.training import load_run, resume, train
from spotify_gym.training.tensors import read_tensors, write_tensors
from tests.robustness.run_folders import CONFIG, REFUSALS, write_finished, write_interrupted


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "finished"
    write_finished(path)
    return path


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "interrupted"
    write_interrupted(path)
    return path


class Bomb:
    """Creates a folder named `exploded` when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


def torch_bomb() -> bytes:
    file = io.BytesIO()
    torch.save({"weight": Bomb()}, file)
    return file.getvalue()


def zip_bomb() -> bytes:
    """Return an SB3 file in which a `Bomb` is pickled."""
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
FILES = ("config.json", "meta.json", "weights.safetensors", "checkpoint.safetensors", "model.zip", "progress.csv")


def tried(call: Callable[[], object]) -> str | None:
    """Return the message with which a call was refused; None if it was not."""
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
@pytest.mark.parametrize("suffix", [".arrow", ".npz", ".csv", ".parquet", ".csv.gz"])
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
    for name in ("songs.csv", "songs.arrow"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(CatalogueError, match="is not a regular file"):
            (Catalogue.load if name.endswith("arrow") else Catalogue.read)(tmp_path / name)


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
        assert told or name in ("model.zip", "checkpoint.safetensors", "progress.csv")  # not read by `load_run`


def test_training__writes_only_into_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = tmp_path / "runs" / "one"
    train(CONFIG, run)
    assert {path for path in tmp_path.rglob("*") if path.parent != run} == {run.parent, run}
    assert all(stat.S_IMODE(path.stat().st_mode) & stat.S_IWOTH == 0 for path in run.iterdir())


def test_forged_checkpoint__writes_nowhere_out_of_bounds(interrupted: Path, tmp_path: Path) -> None:
    """Loops compiled by Numba do not check bounds, so the reader of checkpoints must."""
    whole = read_tensors(interrupted / "checkpoint.safetensors")
    for name, value in (("time", 10**6), ("time", -(10**6)), ("played", 10**6), ("history", -1)):
        folder = Path(shutil.copytree(interrupted, tmp_path / f"{name}{value}"))
        array = np.full_like(whole.arrays[f"sessions.{name}"], value)
        write_tensors(
            folder / "checkpoint.safetensors", whole._replace(arrays={**whole.arrays, f"sessions.{name}": array})
        )
        assert tried(lambda folder=folder: resume(folder))


def test_forged_checkpoint__of_sums_that_are_no_numbers_is_refused(interrupted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(interrupted, tmp_path / "run"))
    whole = read_tensors(folder / "checkpoint.safetensors")
    arrays = {**whole.arrays, "returns": whole.arrays["returns"] * np.nan}
    write_tensors(folder / "checkpoint.safetensors", whole._replace(arrays=arrays))
    assert tried(lambda: resume(folder))


def test_forged_checkpoint__that_claims_more_replay_than_it_holds_is_refused(interrupted: Path, tmp_path: Path) -> None:
    """Training would otherwise sample uninitialised memory."""
    folder = Path(shutil.copytree(interrupted, tmp_path / "run"))
    whole = read_tensors(folder / "checkpoint.safetensors")
    facts = {**whole.facts, "replay": {"pos": 3, "full": True}}
    write_tensors(folder / "checkpoint.safetensors", whole._replace(facts=facts))
    assert "a replay buffer that does not hold" in str(tried(lambda: resume(folder)))
