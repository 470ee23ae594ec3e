"""A disk that is full and a folder that cannot be written to: one clear message, and the earlier state intact."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.compare import Compare
from experiments.lib.cases import run_cases
from experiments.tune import Tune
from spotify_gym import Catalogue, CatalogueError, cli
from spotify_gym.catalogue.files import replacing
from spotify_gym.cli.command import run_command
from spotify_gym.training import RunError, TrainConfig, resume, train
from spotify_gym.training.tensors import read_tensors
from tests.experiments.lib.test_runner import CASES
from tests.robustness.run_folders import CONFIG, write_interrupted
from tests.robustness.specimens import SPECIMENS
from tests.robustness.test_kill import check_files

FULL = "No space left on device"


@contextmanager
def full_after(n_files: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the disk appear full after so many files have been written."""
    left = iter(range(n_files))
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, FULL)
        flush(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file() and path.suffix != ".lock" and path.name != ".lock"]


def test_replacing__names_the_file_that_a_full_disk_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        full_after(0, monkeypatch),
        pytest.raises(OSError, match=f"{FULL}: .*result.json"),
        replacing(tmp_path / "result.json"),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_files", range(7))
def test_training__on_a_full_disk_says_so_and_can_go_on(
    n_files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are three checkpoints, then the plot of the learning curve, and the model in three formats."""
    run = tmp_path / "run"
    write_interrupted(run)
    with full_after(n_files, monkeypatch), pytest.raises(RunError) as refusal:
        resume(run)
    assert str(refusal.value) == f"cannot write to {run}: {FULL}; what was saved before is intact"
    assert not unfinished(run)
    check_files(run)
    resume(run)
    weights = read_tensors(run / "weights.safetensors").arrays
    assert all((weights[name] == array).all() for name, array in whole_weights().items())


def whole_weights() -> dict[str, object]:
    run = train(CONFIG)
    return {name: tensor.numpy() for name, tensor in run.model.policy.state_dict().items()}


@pytest.mark.parametrize("n_files", [0, 1])
def test_training__that_cannot_begin_leaves_no_run(
    n_files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with full_after(n_files, monkeypatch), pytest.raises(RunError, match=FULL):
        train(CONFIG, tmp_path / "run")
    assert not (tmp_path / "run" / "config.json").exists()
    train(CONFIG, tmp_path / "run")


def test_comparison__on_a_full_disk_keeps_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with full_after(2, monkeypatch), pytest.raises(OSError, match=FULL):
        run_cases(CASES, tmp_path, jobs=1)
    assert len(list((tmp_path / "cases").iterdir())) == 2
    assert not unfinished(tmp_path)
    check_files(tmp_path / "cases")
    assert len(run_cases(CASES, tmp_path, jobs=1)) == 4


def test_catalogue__on_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "catalogue.arrow"
    Catalogue.builtin(20).save(file)
    with full_after(0, monkeypatch), pytest.raises(CatalogueError, match=f"cannot write .*: {FULL}"):
        Catalogue.builtin(30).save(file)
    assert len(Catalogue.load(file)) == 20
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A path below a file, to which nobody can write, not even root."""
    (tmp_path / "file").touch()
    return tmp_path / "file" / "folder"


def test_evaluate__says_before_it_plays_that_the_folder_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train(TrainConfig("builtin:300", policy="mlp", hidden=(8,), steps=80, learning_starts=50), run)
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != run)
    assert cli.main(["evaluate", str(run)]) == 2
    assert f"{run} is not writable; choose another file with --out" in capsys.readouterr().err


COMMANDS: dict[str, Callable[[str], int]] = {
    "train": lambda out: cli.main(["train", "--catalogue", "builtin:60", "--steps", "20", "--out", out]),
    "prepare": lambda out: cli.main(["prepare", "songs.csv", "--out", f"{out}/songs.arrow"]),
    "compare": lambda out: run_command(Compare, "compare", ["--catalogue", "builtin:300", "--out", out]),
    "tune": lambda out: run_command(Tune, "tune", ["--catalogue", "builtin:300", "--out", out]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_command__says_in_one_line_where_it_cannot_write(
    command: str, nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("songs.csv").write_bytes(SPECIMENS["csv"].make())
    assert COMMANDS[command](str(nowhere)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{command}: error: " in said
    assert "Not a directory" in said
    assert "file" in said
