"""Start the page on this machine, for this machine."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_gym.app.user_session import UserSessions

ADDRESS = "127.0.0.1"
PORT = 8501
PAGE = Path(__file__).with_name("page.py")

_SETTINGS = (
    ("server.address", ADDRESS),
    ("server.allowedHosts", ADDRESS),  # no name of a stranger's that resolves to this machine
    ("server.allowedHosts", "localhost"),
    ("server.enableAgentApi", "false"),
    ("server.fileWatcherType", "none"),
    ("server.showEmailPrompt", "false"),
    ("runner.postScriptGC", "false"),  # a full garbage collection after each click is most of what a click costs
    ("runner.fastReruns", "false"),  # with it, a click right before another is thrown away before anybody looks at it
    ("browser.gatherUsageStats", "false"),
    ("client.disableDataExport", "true"),  # the page has an export of its own, without formulas
    ("client.toolbarMode", "minimal"),
    ("client.showErrorDetails", "none"),
    ("theme.light.primaryColor", "#6741d9"),
    ("theme.dark.primaryColor", "#7f5af0"),
)


def serve(runs: Sequence[Path] = (), catalogue: str | None = None, port: int = PORT) -> None:
    """Serve the page on 127.0.0.1 until it is interrupted.

    Args:
        runs: run folders; none for the model that comes with the package.
        catalogue: a table, a prepared .arrow, "builtin" or "builtin:26000"; None for what the first run learned from.
        port: where; the next free one if it is taken.

    Raises:
        ValueError: a run or the catalogue cannot be opened; there is no such port, or none of the next hundred is free.
        ModuleNotFoundError: Streamlit is not installed; it comes with the extra `app`.
    """
    from streamlit.web import cli

    user_sessions(tuple(map(str, runs)), catalogue)  # before anybody comes: the first visitor waits for nothing
    settings = [*_SETTINGS, ("server.port", str(_free_port(port)))]
    flags = [f"--{name}={value}" for name, value in settings]
    cli.main(["run", str(PAGE), *flags, "--", catalogue or "", *map(str, runs)], prog_name="streamlit")


@cache
def user_sessions(runs: tuple[str, ...], catalogue: str | None) -> UserSessions:
    """Open the runs and the catalogue, once in this process, with the sessions of all who come.

    Raises:
        ValueError: they cannot be opened, or do not fit each other; see :meth:`AppState.open`.
    """
    from spotify_gym.app.app_state import AppState
    from spotify_gym.app.user_session import UserSessions

    return UserSessions(AppState.open(runs, catalogue))


def _free_port(port: int) -> int:
    """Return the first port from `port` on that nobody listens on."""
    if not 1 <= port < 2**16:
        raise ValueError(f"port={port} must be from 1 to {2**16 - 1}")
    for candidate in range(port, min(port + 100, 2**16)):
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, candidate)):
                return candidate
    raise ValueError(f"port {port} is taken, and so are those after it; choose another")
