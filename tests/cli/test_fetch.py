"""`spotify-gym fetch`, against local stand-ins for the sites: tests need no network."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from spotify_gym import Catalogue, cli
from tests.catalogues import csv_text, songs

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
