"""Serve the page on this machine only."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotify_gym.app.user_session import UserSessions

ADDRESS = "127.0.0.1"
PORT = 8501
PAGE = Path(__file__).with_name("page.py")
_FOR_GOOD = "max-age=31536000, immutable"  # to be kept by the browser: its address names what is in it

_SETTINGS = {
    "server.address": ADDRESS,
    "server.allowedHosts": [ADDRESS, "localhost"],  # no name of a stranger's that resolves to this machine
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "runner.postScriptGC": False,  # a full garbage collection after each click is most of what a click costs
    "runner.fastReruns": False,  # with it, a click right before another is thrown away before anybody looks at it
    "browser.gatherUsageStats": False,
    "client.disableDataExport": True,  # the page has an export of its own, without formulas
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "theme.light.primaryColor": "#6741d9",
    "theme.dark.primaryColor": "#7f5af0",
}

_served: UserSessions | None = None


def serve(runs: Sequence[Path] = (), catalogue: str | None = None, port: int = PORT, trust: bool = False) -> None:
    """Serve the page on 127.0.0.1 until it is interrupted.

    Args:
        runs: run folders; none for the model that comes with the package.
        catalogue: a table, a prepared .arrow, "builtin" or "builtin:26000"; None for what the first run learned from.
        port: where; the next free one if it is taken.
        trust: load what can run code of its own, as :func:`spotify_gym.training.load_run` does.

    Raises:
        ValueError: a run or the catalogue cannot be opened; there is no such port, or none of the next hundred is free.
        ModuleNotFoundError: Streamlit is not installed; it comes with the extra `app`.
    """
    import streamlit as st
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from spotify_gym.app import compare_view, listen_view, start_view  # noqa: F401 - before the first visitor
    from spotify_gym.app.app_state import AppState
    from spotify_gym.app.user_session import UserSessions

    global _served  # Streamlit runs the page and hands it nothing
    app_state = AppState.open(runs, catalogue, trust=trust)  # in advance, so that the first visitor does not wait
    _served = UserSessions(app_state)
    pca_map = app_state.pca_map

    def landscape(_: Request) -> Response:
        return Response(pca_map.landscape, media_type="application/json", headers={"Cache-Control": _FOR_GOOD})

    app = st.App(PAGE, routes=[Route(pca_map.address, landscape)])
    sys.argv = [str(PAGE)]  # what Streamlit takes for the program, beside which it looks for settings
    app.run(config={**_SETTINGS, "server.port": _free_port(port)})


def served() -> UserSessions | None:
    """Return the user sessions of this process's page; None if :func:`serve` did not start it."""
    return _served


def _free_port(port: int) -> int:
    """Return the first free port from `port` on."""
    if not 1 <= port < 2**16:
        raise ValueError(f"port={port} must be from 1 to {2**16 - 1}")
    for candidate in range(port, min(port + 100, 2**16)):
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, candidate)):
                return candidate
    raise ValueError(f"port {port} and those after it are in use; choose another")
