"""The commands, called as a shell would call them."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spotify_gym.catalogue.report import printable
from spotify_gym.cli.command import Command, guarded, run_command, show_table
from spotify_gym.cli.evaluate import Compare, Evaluate, _told
from spotify_gym.cli.recommend import Recommend
from spotify_gym.cli.train import Train
from spotify_gym.training import RunError, TrainConfig, load_run, resume, train
from spotify_gym.training.artifacts import weights_of
from spotify_gym.training.leaderboard import play_leaderboard
from spotify_gym.training.tensors import read_tensors

QUICK = [
    *("--catalogue", "builtin:300", "--policy", "mlp", "--hidden", "8", "--steps", "200"),
    *("--learning-starts", "50", "--n-envs", "4", "--updates-per-step", "0.25"),
]

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(kind: type[Command], *arguments: object) -> tuple[int, str, str]:
        try:
            code = run_command(kind, "prog", [str(argument) for argument in arguments])
        except SystemExit as end:  # of a wrong option
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "trained"
    settings = {"catalogue": "builtin:300", "policy": "mlp", "hidden": (8,), "steps": 200, "learning_starts": 50}
    train(TrainConfig(env="SpotifyPlaylist-v0", **settings), path)
    return path


def test_train__makes_a_folder_under_runs(call: Call, tmp_path: Path) -> None:
    code, out, _ = call(Train, *QUICK, "--env", "SpotifySatiation-v0")
    assert code == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert out.startswith(f"runs/{folder.name}: 200 steps, mean return of the last 8 sessions, exploration included: ")
    assert folder.name.startswith("SpotifySatiation-v0-dqn-mlp-seed0-")
    assert json.loads((folder / "config.json").read_text())["state"] == "mean+history"


def test_train__takes_settings_from_a_file_and_options_before_them(call: Call, trained: Path, tmp_path: Path) -> None:
    settings = ("--settings", trained / "config.json", "--steps", 40)
    code, _, err = call(Train, *settings, "--out", "new")
    assert (code, err) == (0, "")  # one step of 64 sessions, and learning starts after 50
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert config == {**json.loads((trained / "config.json").read_text()), "steps": 40}
    code, _, err = call(Train, *settings, "--out", "idle", "--learning-starts", 64)
    assert (code, err) == (0, "nothing was learned: the first 64 steps are random play\n")


def test_train__says_why_it_played_more_than_it_was_asked_for(call: Call) -> None:
    few = ("--catalogue", "builtin:300", "--steps", 20, "--n-envs", 4, "--algorithm", "a2c", "--policy", "mlp")
    assert call(Train, *few, "--arguments", "n_steps=40", "--out", "one")[2] == (
        "20 steps were requested, but a rollout is 40 steps of 4 sessions; shorten it by --arguments n_steps=...\n"
    )
    assert call(Train, *few, "--arguments", "n_steps=5", "--out", "other")[2] == ""


def test_train__sees_what_serves_in_the_environment_of_the_options(call: Call, tmp_path: Path) -> None:
    settings = {"env": "SpotifyTaste-v0", "catalogue": "builtin:300", "steps": 4, "n_envs": 4}
    (tmp_path / "taste.json").write_text(json.dumps(settings))
    for env, state in ("SpotifyTaste-v0", "belief"), ("SpotifySkip-v0", "mean+responses"):
        assert call(Train, "--settings", "taste.json", "--env", env, "--out", env)[0] == 0
        assert json.loads((tmp_path / env / "config.json").read_text())["state"] == state


def test_train__resume_of_what_is_finished(call: Call, trained: Path) -> None:
    assert call(Train, "--resume", trained) == (0, f"{trained} is already finished\n", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "nowhere"], "nowhere is not a run folder: config.json not found"),
        (["--gamma", "2"], "gamma=2.0 must be from 0 to 1"),
        (["--env", "Pong-v5"], "env='Pong-v5' is not an environment of this package; choose from SpotifyLogged-v0, "),
        (["--algorithm", "sarsa"], "algorithm='sarsa' is not one of 'dqn', 'double'"),
        (["--episodes", "many"], "Error parsing --episodes: invalid literal for int() with base 10: 'many'"),
        (["--episode", "3"], "Unrecognized options: --episode, 3 Perhaps you meant: --episodes INT"),
        (["--settings"], "Missing value for argument '--settings'"),
        (["--catalogue", "no.csv"], "no.csv"),
        (["--reward", "flow=1", "flow=2"], "must be TERM=WEIGHT, such as flow=0.5, each once"),
        (["--catalogue", "builtin:300", "--state", "mood"], "state='mood' is not known; choose one of 'mean'"),
        (["--settings", "bad.json"], "bad.json: unknown setting 'gama'; choose from"),
        (["--settings", "no.json"], "no.json: No such file or directory"),
    ],
)
def test_train__says_in_one_line_what_is_wrong(call: Call, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "bad.json").write_text('{"gama": 0.9}')
    code, out, err = call(Train, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("prog: error: ")
    assert message in err
    assert not (tmp_path / "runs").exists()


def test_train__resume_takes_no_other_settings(call: Call, trained: Path) -> None:
    shutil.copytree(trained, "unfinished")
    Path("unfinished/weights.safetensors").unlink()
    code, _, err = call(Train, "--resume", "unfinished", "--gamma", 0)
    assert (code, err) == (
        2,
        "prog: error: --resume uses the settings of the run; leave out all other options\n",
    )


def test_evaluate__prints_a_table_and_a_session_and_keeps_all(call: Call, trained: Path) -> None:
    code, out, _ = call(Evaluate, trained, "--sessions", 20)
    assert code == 0
    assert "SpotifyPlaylist-v0 on builtin(n_tracks=300, seed=0): 20 held-out sessions" in out
    for policy in ("random", "popular", "fixed", "nearest", "trained"):
        assert f"│ {policy} " in out
    assert "Recommended:" in out
    assert "Return after 20 tracks:" in out
    with (trained / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 20
    assert set(rows[0]) == {"policy", "seed", "return", "length", "repeat_rate", "diversity", "novelty"}
    assert {row["seed"] for row in rows if row["policy"] == "trained"} == {str(1_000_000_000 + i) for i in range(20)}


def test_evaluate__says_why_there_is_no_skill(trained: Path) -> None:
    run = load_run(trained)
    played = play_leaderboard({"trained": run}, 2, 0, ["fixed"])
    for top, way_out in (("nearest", "; with --planner, the planner is 1"), ("planner", "")):
        _, _, legend = _told({**played, top: played["fixed"]}, run)
        assert legend.endswith(f"skill: none, as {top} does not earn more than fixed{way_out}")


def test_evaluate__refuses(call: Call, trained: Path) -> None:
    code, _, err = call(Evaluate, trained, "--catalogue", "builtin:301")
    assert code == 2
    assert "one output per track" in err
    code, _, err = call(Evaluate, trained, "--sessions", 0)
    assert (code, err) == (2, "prog: error: n_sessions=0 must be at least 1\n")
    for out in ("/dev/full", "no/such/folder.csv", "scores.parquet"):
        code, _, err = call(Evaluate, trained, "--out", out)
        assert code == 2
        assert out in err


def test_evaluate__plays_from_another_catalogue_than_the_one_trained_on(call: Call) -> None:
    train(TrainConfig(catalogue="builtin:300", steps=400, learning_starts=200, hidden=(8,)), Path("run"))
    code, out, _ = call(Evaluate, "run", "--sessions", 10, "--catalogue", "builtin:500", "--out", "rows.csv")
    assert code == 0
    assert "SpotifySession-v0 on builtin(n_tracks=500, seed=0): 10 held-out sessions" in out
    assert Path("rows.csv").read_text().count("\n") == 1 + 5 * 10


def test_compare__puts_runs_side_by_side(call: Call, trained: Path) -> None:
    shutil.copytree(trained, "other")
    code, out, _ = call(Compare, trained, "other", "--sessions", 10, "--out", "rows.csv")
    assert code == 0
    assert "│ other " in out
    assert Path("rows.csv").read_text().count("\n") == 1 + 6 * 10
    settings = json.loads(Path("other/config.json").read_text())
    Path("other/config.json").write_text(json.dumps({**settings, "reward_baseline": 0.5}))
    code, _, err = call(Compare, trained, "other", "--sessions", 10)
    assert code == 2
    assert "they cannot be compared" in err


def test_recommend__by_id_and_by_title(call: Call, trained: Path) -> None:
    ids = [f"builtin-0-{i:07d}" for i in range(5)]
    code, out, _ = call(Recommend, trained, "--history", ",".join(ids), "--top", 3)
    assert code == 0
    assert out.count("builtin-0-") == 3
    assert call(Recommend, trained, "--history", *ids, "--top", 3)[1] == out
    code, _, err = call(Recommend, trained, "--history", *ids[:2])
    assert (code, err) == (0, "this model uses 5 tracks: the 2 given are repeated in turn\n")
    code, longer, err = call(Recommend, trained, "--history", ids[3], *ids, "--top", 3)
    assert (code, err) == (0, "this model uses 5 tracks: the last 5 of 6 given\n")
    assert longer == out
    code, _, err = call(Recommend, trained, "--history", *ids[:4], "No Such Song")
    assert code == 2
    assert err.startswith("prog: error: no track has the id or title 'No Such Song'")


def test_guarded__knows_mistakes_from_bugs(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: BaseException) -> Callable[[], None]:
        def work() -> None:
            raise error

        return work

    assert guarded(fail(RunError("two\nlines")), "prog") == 2
    assert guarded(fail(OSError(28, "No space left on device")), "prog") == 2
    assert guarded(fail(OSError(28, "No space left on device", "file")), "prog") == 2
    assert guarded(fail(MemoryError()), "prog") == 2
    assert guarded(fail(KeyboardInterrupt()), "prog") == 130
    assert guarded(fail(ModuleNotFoundError("no", name="torch.nn")), "prog") == 2
    assert guarded(fail(ModuleNotFoundError("no", name="streamlit")), "prog") == 2
    assert capsys.readouterr().err.splitlines() == [
        "prog: error: two lines",
        "prog: error: [Errno 28] No space left on device",
        "prog: error: file: No space left on device",
        "prog: error: not enough memory; use fewer tracks (--max-tracks) or --policy catalogue",
        "prog: stopped",
        'prog: error: this needs torch, which is not installed: pip install "spotify_gym[train]"',
        'prog: error: this needs streamlit, which is not installed: pip install "spotify_gym[app]"',
    ]
    with pytest.raises(KeyError):
        guarded(fail(KeyError("a bug")), "prog")
    with pytest.raises(ModuleNotFoundError):
        guarded(fail(ModuleNotFoundError("no", name="spotify_gym.nothing")), "prog")


def test_guarded__shows_what_a_terminal_has_no_letters_for(monkeypatch: pytest.MonkeyPatch) -> None:
    poor = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", poor)
    assert guarded(lambda: print("Björk — Hyperballad: 9.1 ± 0.2", flush=True), "prog") == 0
    assert poor.buffer.getvalue() == b"Bj?rk ? Hyperballad: 9.1 ? 0.2\n"  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", [["--help"], ["prepare", "--help"]])
def test_main__is_silent_where_nobody_reads_on(arguments: list[str]) -> None:
    command = f"{shlex.join([sys.executable, '-m', 'spotify_gym.cli', *arguments])} | true"
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""


def test_show_table__obeys_nothing_that_a_title_says(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("a [bold]title", {"track": "left"}, [["[/red] \x1b[2J <script>"]])
    out = capsys.readouterr().out
    assert "a [bold]title" in out
    assert "[/red] \N{REPLACEMENT CHARACTER}[2J <script>" in out
    assert printable("one\ntwo\r\x07") == "one\ntwo" + 2 * "\N{REPLACEMENT CHARACTER}"
    assert sys.stdout is not None


def test_commands__load_no_compiler(trained: Path, tmp_path: Path) -> None:
    history = ",".join(f"builtin-0-{i:07d}" for i in range(5))
    begins = ["train", "--catalogue", "builtin:300", "--algorithm", "double", "--steps", "300"]
    for arguments in (["recommend", str(trained), "--history", history], [*begins, "--out", str(tmp_path / "run")]):
        code = (
            f"import sys; from spotify_gym.cli import main; failed = main({arguments}); "
            "sys.exit(failed or 'torch._dynamo' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


# In a process of their own.

ROOT = Path(__file__).resolve().parents[2]
CONFIG = TrainConfig(
    catalogue="builtin:300", env="SpotifyPlaylist-v0", algorithm="double", steps=6000, checkpoint_seconds=0.05
)
SETTINGS = [
    *("--catalogue", "builtin:300", "--env", "SpotifyPlaylist-v0"),
    *("--algorithm", "double", "--checkpoint-seconds", "0.05"),
]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "spotify_gym.cli", "train", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a running process has written a file."""
    while not file.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_train__killed_and_resumed_ends_with_the_weights_of_another_process(tmp_path: Path) -> None:
    process = start(*SETTINGS, "--steps", CONFIG.total_steps, "--out", tmp_path)
    wait_for(tmp_path / "checkpoint.safetensors", process)
    process.kill()
    process.communicate()
    process = start("--resume", tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.startswith(str(tmp_path))
    ours = weights_of(train(CONFIG).model)
    for name, array in read_tensors(tmp_path / "weights.safetensors").arrays.items():
        np.testing.assert_array_equal(array, ours[name], err_msg=name)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_train__ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = start(*SETTINGS, "--steps", 10**8, "--out", tmp_path)
    wait_for(tmp_path / "checkpoint.safetensors", process)
    with pytest.raises(RunError, match="another process is training in"):
        resume(tmp_path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"saved in {tmp_path}; go on with --resume {tmp_path}\n" in err
    assert "Traceback" not in err
    assert {"model.zip", "weights.safetensors", "learning_curve.png"} <= {file.name for file in tmp_path.iterdir()}
    assert not list(tmp_path.glob(".*.tmp"))


def test_table__is_printed_to_nowhere_where_the_output_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert guarded(lambda: show_table("title", {"a": "left"}, [["b"]]), "prog") == 0
