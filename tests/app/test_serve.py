from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spotify_gym.app.serve import PAGE, serve
from spotify_gym.cli.app import App


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments that Streamlit would have been started with; what it shows is opened elsewhere."""
    arguments: list[str] = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda args, prog_name: arguments.extend(args))
    monkeypatch.setattr(sys.modules[serve.__module__], "user_sessions", lambda runs, catalogue: None)
    return arguments


def test_serve__stays_on_this_machine_and_tells_nobody(served: list[str]) -> None:
    serve([Path("runs/mine"), Path("runs/-other")], "songs.csv")
    assert served[:2] == ["run", str(PAGE)]
    assert "--server.address=127.0.0.1" in served
    assert "--browser.gatherUsageStats=false" in served
    assert "--runner.fastReruns=false" in served
    assert served[-4:] == ["--", "songs.csv", "runs/mine", "runs/-other"]


def test_serve__with_nothing_leaves_both_open(served: list[str]) -> None:
    serve()
    assert served[-2:] == ["--", ""]


def test_serve__takes_the_next_port_where_one_is_taken(served: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        serve(port=port)
    chosen = next(int(flag.partition("=")[2]) for flag in served if flag.startswith("--server.port="))
    assert chosen > port


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_serve__refuses_what_is_no_port(served: list[str], port: int) -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        serve(port=port)


def test_command__passes_its_options_on(served: list[str], run_folder: Path) -> None:
    twice = [str(run_folder), f"{run_folder}/."]
    App.parse([*twice, "--catalogue", "builtin:500", "--port", "18765"], prog="spotify-gym app").run()
    assert served[-3:] == ["builtin:500", str(run_folder), str(run_folder)]


@pytest.mark.parametrize("wrong", [["nowhere"], ["--catalogue", "nowhere.csv"]])
def test_command__refuses_what_it_cannot_open_before_it_serves(
    monkeypatch: pytest.MonkeyPatch, run_folder: Path, wrong: list[str]
) -> None:
    monkeypatch.setattr("streamlit.web.cli.main", lambda args, prog_name: pytest.fail("served"))
    with pytest.raises(ValueError, match="nowhere"):
        App.parse([str(run_folder), *wrong], prog="spotify-gym app").run()


def test_import__needs_no_streamlit() -> None:
    code = "import sys, spotify_gym.app, spotify_gym.cli.app; sys.exit('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_names_beside_the_page__hide_no_module_of_python() -> None:
    """Streamlit puts the folder of the page first on the path."""
    names = {path.stem for path in PAGE.parent.iterdir()} - {"__init__", "__pycache__"}
    assert not names & set(sys.stdlib_module_names)
