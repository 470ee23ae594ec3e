from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spotify_gym.app.serve import PAGE, serve
from spotify_gym.cli.app import App
from tests.app.conftest import barely_trained


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The settings that Streamlit would have been started with."""
    settings: dict[str, Any] = {}
    monkeypatch.setattr("streamlit.App.run", lambda self, config: settings.update(config))
    monkeypatch.setattr(sys.modules[serve.__module__], "_served", None)
    monkeypatch.setattr(sys, "argv", sys.argv)
    return settings


def test_serve__stays_on_this_machine_and_tells_nobody(started: dict[str, Any], run_folder: Path) -> None:
    serve([run_folder])
    assert started["server.address"] == "127.0.0.1"
    assert not started["browser.gatherUsageStats"]
    assert not started["runner.fastReruns"]
    users = sys.modules[serve.__module__].served()
    assert next(iter(users.find(None)[1].app_state.agents)) == "DQN (Playlist)"


def test_serve__takes_the_next_port_where_one_is_taken(started: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serve(port=port)
    assert started["server.port"] > port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_serve__refuses_what_is_no_port(port: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        serve(port=port)


def test_command__opens_a_run_of_its_own_code_where_it_is_trusted(started: dict[str, Any], tmp_path: Path) -> None:
    run = barely_trained(tmp_path / "run", "builtin:200", algorithm="spotify_gym.algorithms:DoubleDQN")
    command = [str(run), "--catalogue", "builtin:200", "--port", "18765"]
    with pytest.raises(ValueError, match="--trust"):
        App.parse(command, prog="spotify-gym app").run()
    App.parse([f"{run}/.", *command, "--trust"], prog="spotify-gym app").run()
    assert started["server.port"] >= 18765


@pytest.mark.parametrize("wrong", [["nowhere"], ["--catalogue", "nowhere.csv"]])
def test_command__refuses_what_it_cannot_open_before_it_serves(
    monkeypatch: pytest.MonkeyPatch, run_folder: Path, wrong: list[str]
) -> None:
    monkeypatch.setattr("streamlit.App.run", lambda self, config: pytest.fail("served"))
    with pytest.raises(ValueError, match="nowhere"):
        App.parse([str(run_folder), *wrong], prog="spotify-gym app").run()


def test_import__needs_no_streamlit() -> None:
    code = "import sys, spotify_gym.app, spotify_gym.cli.app; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_beside_the_page__hide_no_module_of_python() -> None:
    """Streamlit puts the folder of the page first on the path."""
    names = {path.stem for path in PAGE.parent.iterdir()} - {"__init__", "__pycache__"}
    assert not names & set(sys.stdlib_module_names)
