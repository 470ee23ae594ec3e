"""Files of a run: whole or not at all, one process at a time, nothing executed."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_gym.catalogue.files import replacing
from spotify_gym.cli import main
from spotify_gym.training.artifacts import draw_curve
from spotify_gym.training.run_folder import RunFolder
from spotify_gym.training.tensors import RunError, Tensors, prefixed, read_tensors, write_tensors


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
    with pytest.raises(RunError, match="there is no t in"):
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


# What a run folder says of itself.


def test_card__says_what_data_numbers_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick = ["--catalogue", "builtin:300", "--steps", "64", "--n-envs", "4", "--learning-starts", "16"]
    command = ["train", *quick, "--algorithm", "double", "--out", "mine"]
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/spotify-gym", *command])
    assert main(command) == 0
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "# Double DQN in SpotifySession-v0" in card
    assert "300 tracks (synthetic), fingerprint `" in card
    assert f"`spotify-gym {' '.join(command)}`" in card
    assert "Finished after 64 steps" in card
    assert main(["evaluate", "mine", "--sessions", "5"]) == 0
    evaluated = (tmp_path / "mine" / "README.md").read_text()
    assert "| mine | " in evaluated
    assert "5 held-out sessions." in evaluated
    assert "Finished after" not in evaluated
