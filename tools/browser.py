"""Serving of the web page, and automation of the installed Chromium with Playwright."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update")
_PATIENCE = 120.0  # timeout, sufficient on a busy machine [s]


def find_chromium() -> str | None:
    """Return the path of Chromium or Chrome, or None."""
    return next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the installed Chromium in headless mode.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(f"no Chromium here: none of {', '.join(_NAMES)} is on the path")
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=path, args=list(_FLAGS)) as browser,
    ):
        yield browser


@contextmanager
def served(
    run: str | None = None, catalogue: str | None = None, python: Sequence[str] = ("-m", "spotify_gym.cli")
) -> Iterator[str]:
    """Serve the page in a separate process, as `spotify-gym app` does, and yield its address.

    Args:
        run: a run folder; None for the model that comes with the package.
        catalogue: catalogue to play from; None for the one that the model was trained on.
        python: arguments of Python that run the command line.

    Raises:
        TimeoutError: the server does not answer.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [*([run] if run else []), *(["--catalogue", catalogue] if catalogue else []), "--port", str(port)]
    command = [sys.executable, *python, "app", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:  # noqa: S603
        try:
            address = f"http://127.0.0.1:{port}/"
            _await(address, server)
            yield address
        finally:
            server.terminate()


@contextmanager
def tab(browser: Browser, width: int = 1280, height: int = 860, **device: Any) -> Iterator[Page]:
    """Open a tab in a new browser context; `device` are further options of Playwright's `new_context`."""
    with browser.new_context(viewport={"width": width, "height": height}, **device) as context:
        context.set_default_timeout(1000 * _PATIENCE)
        yield context.new_page()


def begin_with_the_known(page: Page) -> None:
    """Start a session from the first five tracks offered, which are the same every time."""
    for place in range(5):
        page.locator(f".st-key-add-{place} button").first.click()
        page.get_by_text(f"Your start: {place + 1} of 5").wait_for()
    page.get_by_role("button", name="Start listening").click()
    page.get_by_role("button", name="Listened").wait_for()


def _await(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TimeoutError(f"the server ended with code {server.returncode} before it answered")
        try:
            with urlopen(f"{address}_stcore/health", timeout=1):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the server did not answer within {_PATIENCE:.0f} s")
