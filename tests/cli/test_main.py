"""The command `spotify-gym`, called as a shell would call it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import gymnasium as gym
import pandas as pd
import pytest

from spotify_gym import Catalogue, cli
from spotify_gym.app.app_state import SHIPPED_RUN
from spotify_gym.listeners import LoggedListener
from spotify_gym.listeners.facts import simulate
from spotify_gym.listeners.skip_log import write_log
from tests.catalogues import csv_text, songs

HEADER = "track_id,acousticness,danceability,energy,instrumentalness,liveness,loudness,speechiness,tempo,valence"
ROWS = "\n".join(f"t{i},0.{i},0.5,0.{9 - i},0.1,0.2,-{i}.5,0.05,{100 + i},0.{i}" for i in range(8))


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("songs.csv").write_text(f"{HEADER}\n{ROWS}\n")
    return Path("songs.csv")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help__lists_the_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 0
    out = capsys.readouterr().out
    for name in ("prepare", "fetch", "train", "evaluate", "recommend", "compare", "app"):
        assert f"\n  {name} " in out
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"spotify-gym \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_help__is_light() -> None:
    heavy = {"torch", "pandas", "stable_baselines3", "matplotlib", "streamlit", "tyro"}
    code = (
        f"import sys; from spotify_gym.cli import main; main(['--help']); sys.exit(str({heavy} & sys.modules.keys()))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr
    assert told == "set()\n"


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_help__of_each_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: spotify-gym {name}")


def test_app__takes_several_runs_and_names_the_one_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["app", "--help"])
    assert "Folders of runs, one agent each" in capsys.readouterr().out
    assert cli.main(["app", str(SHIPPED_RUN), str(tmp_path / "none")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("spotify-gym app: error: ")
    assert told.endswith(f"{tmp_path / 'none'} is not a run folder: config.json not found\n")


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    assert capsys.readouterr().err == (
        "spotify-gym: error: unknown command 'trian'; choose from "
        "prepare, fetch, train, evaluate, recommend, compare, listener, app\n"
    )


def test_prepare__writes_what_it_read_and_reports(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", str(table), "--out", "cat.arrow", "--scaling", "minmax"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("8 rows read, 8 tracks kept")
    catalogue = Catalogue.load("cat.arrow")
    assert out.endswith(f"cat.arrow: 8 tracks, fingerprint {catalogue.fingerprint}\nwarning: no titles\n")
    assert catalogue.scaling.kind == "minmax"
    assert err == "reading songs.csv ...\nwriting cat.arrow ...\n"


def test_prepare__maps_columns(table: Path) -> None:
    table.write_text(table.read_text().replace("track_id", "uri").replace("tempo", "bpm"))
    assert cli.main(["prepare", "songs.csv", "--columns", "track_id=uri", "tempo=bpm"]) == 0
    assert Catalogue.load("catalogue.arrow").track_ids[0] == "t0"


def test_prepare__takes_features_of_any_name(table: Path) -> None:
    table.write_text(table.read_text().replace("valence", "mood, in %").replace("mood, in %", '"mood, in %"'))
    assert cli.main(["prepare", "songs.csv", "--features", "mood, in %", "tempo", "--out", "two.arrow"]) == 0
    assert Catalogue.load("two.arrow").feature_names == ("mood, in %", "tempo")


def test_prepare__ends_with_a_verdict_that_strict_heeds(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", "songs.csv", "--strict"]) == 1
    out, err = capsys.readouterr()
    assert "  warning  no titles\n" in out
    assert err.endswith("spotify-gym prepare: nothing was written; warning: no titles\n")
    assert not Path("catalogue.arrow").exists()
    lines = table.read_text().splitlines()
    table.write_text("\n".join(["title," + lines[0], *(f"Song {n},{line}" for n, line in enumerate(lines[1:]))]))
    assert cli.main(["prepare", "songs.csv", "--strict"]) == 0
    assert capsys.readouterr().out.endswith("\nok\n")


def test_prepare__a_printed_command_can_be_typed(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = table.rename("my songs.csv")
    table.write_text(table.read_text().replace("danceability", "dance ability index").replace("energy", "energi"))
    assert cli.main(["prepare", str(table)]) == 0
    (hint,) = [line for line in capsys.readouterr().out.splitlines() if "energy may be" in line]
    typed = shlex.split(hint.partition(": ")[2])
    near = ["danceability=dance ability index", "energy=energi"]
    assert typed == ["spotify-gym", "prepare", "my songs.csv", "--columns", *near]
    assert cli.main(typed[1:]) == 0
    assert len(Catalogue.load("catalogue.arrow").feature_names) == 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.csv"], "no.csv"),
        (["builtin"], "builtin is already a catalogue; use it with --catalogue builtin"),
        (["builtin:300"], "use it with --catalogue builtin:300"),
        (["https://example.org/songs.csv"], "https://example.org/songs.csv is a URL; download the file"),
        (["hf:owner/name"], "hf:owner/name is a URL; download the file (`spotify-gym fetch` does so"),
        ([""], "'' is not a path; give the path of a table"),
        (["songs.csv", "--min-popularity", "-5"], "min_popularity=-5 must be from 0 to 100"),
        (["songs.csv", "--min-popularity", "nan"], "min_popularity=nan must be from 0 to 100"),
        (["songs.csv", "--out", "cat.zip"], "cat.zip must end in .arrow, such as cat.arrow"),
        (["songs.csv", "--out", "cat.npz"], "cat.npz must end in .arrow, such as cat.arrow"),
        (["songs.csv", "--out", "no/such/cat.arrow"], "cannot write no/such/cat.arrow"),
        (
            ["songs.csv", "--columns", "uri"],
            "--columns: 'uri' must be NAME=VALUE, each name once, such as track_id=uri",
        ),
        (["songs.csv", "--columns", "energy=a", "energy=b"], "'energy=b' must be NAME=VALUE, each name once"),
        (["songs.csv", "--out", "cat.arrow/cat.arrow"], "folder cat.arrow not found"),
    ],
)
@pytest.mark.usefixtures("table")
def test_prepare__says_what_is_wrong(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", *arguments]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("spotify-gym prepare: error: ")
    assert message in last


def test_prepare__wrong_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["prepare", "songs.csv", "--scaling", "log"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("spotify-gym prepare: error: invalid choice 'log' for argument '--scaling'")
    assert err.count("\n") == 1


WITHOUT_EXTRA = """
import sys

class NotInstalled:
    def find_spec(name, path=None, target=None):
        if name in {"torch", "stable_baselines3", "rich", "safetensors", "matplotlib"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled)
from spotify_gym.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.usefixtures("table")
def test_without_the_train_extra__prepare_works_and_train_says_what_to_install() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_EXTRA, *arguments], capture_output=True, text=True, check=False
        )

    assert run("prepare", "songs.csv").returncode == 0
    extras = {"train": "train", "evaluate": "train", "recommend": "train", "compare": "train", "app": "app"}
    for name, extra in extras.items():
        failed = run(name)
        assert failed.returncode == 2
        assert failed.stderr.count("\n") == 1
        assert f'is not installed: pip install "spotify_gym[{extra}]"' in failed.stderr


# A listener from a log of plays.


@pytest.fixture
def log(small, tmp_path, monkeypatch):
    """A folder with a log and the catalogue of its tracks."""
    monkeypatch.chdir(tmp_path)
    small.save("songs.arrow")
    write_log(simulate(LoggedListener(regard="vibe", taste_weight=2.0), small, 400)[0], "log.csv")


@pytest.mark.usefixtures("log")
def test_fit__makes_a_listener_that_every_environment_takes_and_report_judges_it(small, capsys):
    assert cli.main(["listener", "fit", "log.csv", "--catalogue", "songs.arrow"]) == 0
    told = capsys.readouterr()
    assert "100.0 % of the plays are of tracks in " in told.err
    assert "taste_weight" in told.out
    env = gym.make("SpotifySkip-v0", catalogue=small, listener="listener.json")
    env.reset(seed=0)
    assert env.step(7)[1] in (0.0, 1.0)
    assert env.unwrapped.dynamics.listener.fitted["log"] == "log.csv"
    assert cli.main(["listener", "report", "listener.json", "log.csv", "--catalogue", "songs.arrow"]) == 0
    assert "gradient boosting" in capsys.readouterr().out
    page = Path("listener-report.html").read_text()
    assert "<td>regard for sound" in page
    assert "src='data:image/png" in page
    assert "src='http" not in page
    assert re.search("Similarity of sound is the cosine to the (mean of|decayed mean)", page)
    assert "| log-loss |" in Path("listener-report.md").read_text()
    facts = pd.read_csv("listener-report-facts.csv")
    assert set(facts["verdict"]) <= {"pass", "FAIL", "too few plays to tell"}
    assert (facts["verdict"] != "FAIL").mean() > 0.8


@pytest.mark.usefixtures("log")
def test_report__of_a_listener_that_was_never_fitted_says_so(capsys):
    assert cli.main(["listener", "report", "skipping", "log.csv", "--out", "page.md"]) == 0
    assert "never fitted to a log" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fit broken.csv", "broken.csv has no column session_position"),
        ("fit nowhere.csv", "file not found"),
        ("fit log.csv --out listener.csv", "--out listener.csv must end in .json"),
        ("fit parts.csv", "this one has 'session;position'"),
        ("fit log.csv --max-sessions 0", "max_sessions=0 must be at least 1"),
        ("fit log.csv --max-sessions 20", "a fit needs 50 or more"),
        ("report satiated log.csv", "SatiatedListener never skips"),
        ("report log.csv log.csv", "listener='log.csv' is not known"),
        ("report big.json log.csv", "big.json is not a listener written by to_json"),
        ("report pipe.json log.csv", "it is not a regular file"),
        ("report odd.json log.csv", "must be a mapping that contains intervals"),
    ],
)
@pytest.mark.usefixtures("log")
def test_mistake__is_told_in_one_line(line, said, capsys, tmp_path):
    (tmp_path / "broken.csv").write_text("session_id\na\n")
    (tmp_path / "parts.csv").write_text("session;position\na;1\n")
    (tmp_path / "big.json").write_text("[" * 2_000_000)
    (tmp_path / "odd.json").write_text('{"listener": "logged", "fitted": [1]}')
    os.mkfifo(tmp_path / "pipe.json")
    assert cli.main(["listener", *line.split()]) == 2
    told = capsys.readouterr().err.splitlines()
    assert said in told[-1]


# Fetching a public table, from local servers in place of the sites: tests need no network.

CONTENT = csv_text(songs(5)).encode()
COMMIT = "0" * 40
TABLE = "data/my songs.csv"


class Hub(BaseHTTPRequestHandler):
    """A stand-in for Hugging Face with one data set of one table."""

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/datasets/someone/songs/tree/"):
            content = json.dumps([{"type": "file", "path": TABLE, "size": len(CONTENT), "oid": "1"}]).encode()
        elif path.startswith("/api/datasets/someone/songs"):
            content = json.dumps({"id": "someone/songs", "sha": COMMIT, "siblings": [{"rfilename": TABLE}]}).encode()
        elif path.startswith("/datasets/someone/songs/resolve/"):
            content = CONTENT
        else:
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {"ETag": '"1"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch_from(hub: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "spotify_gym.cli", "fetch", name]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)


def test_fetch__from_hugging_face_prints_the_command_to_type_next(hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    fetched = fetch_from(hub, "hf:someone/songs", tmp_path)
    assert (fetched.stdout, fetched.returncode) == ("spotify-gym prepare 'songs/data/my songs.csv'\n", 0)
    assert (tmp_path / "songs/data/my songs.csv").read_bytes() == CONTENT


def test_fetch__what_is_not_there_is_told_in_one_line(hub: str, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    fetched = fetch_from(hub, "hf:nobody/nothing", tmp_path)
    assert fetched.returncode == 2
    last = fetched.stderr.splitlines()[-1]
    assert last.startswith("spotify-gym fetch: error: hf:nobody/nothing could not be fetched: ")


def test_fetch__from_kaggle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dataset_download(handle: str, output_dir: str) -> str:
        assert handle == "someone/songs"
        Path(output_dir).mkdir()
        (Path(output_dir) / "songs.csv").write_bytes(CONTENT)
        return output_dir

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=dataset_download))
    monkeypatch.chdir(tmp_path)
    assert cli.main(["fetch", "kaggle:someone/songs", "--out", "here"]) == 0
    command = shlex.split(capsys.readouterr().out)
    assert command == ["spotify-gym", "prepare", "here/songs.csv"]
    assert cli.main(command[1:]) == 0
    assert len(Catalogue.load("catalogue.arrow")) == 5


@pytest.mark.parametrize("source", ["songs", "kaggle:songs", "ftp:a/b", "hf:../a/b", "hf:a/b/c", "hf:a/.."])
def test_fetch__from_elsewhere_is_refused(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", source]) == 2
    assert "must be kaggle:OWNER/NAME or hf:OWNER/NAME" in capsys.readouterr().err


def test_fetch__without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert cli.main(["fetch", "kaggle:someone/songs"]) == 2
    assert 'pip install "spotify_gym[fetch]"' in capsys.readouterr().err
