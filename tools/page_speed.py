"""Measure the response time of the page in a real browser: `python -m tools.page_speed`.

The response time of a click runs from the press of the button until the new track, list or view is on the screen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from statistics import median

import psutil
import tyro
from playwright.sync_api import Browser, Locator, Page

from spotify_gym.cli.command import guarded
from tools.browser import begin_with_the_known, chromium, served, tab

GOAL = 0.3
"""Largest acceptable median response time [s]."""

_WATCH = """
for (const kind of ["pointerdown", "keydown"])
  document.addEventListener(kind, () => { window.pressed = performance.now() }, true);
"""
_PRESS = "document.querySelector('.st-key-listened button').click();"
_PAUSE = 700  # pause between two clicks, so that they do not overlap [ms]
_SYLLABLES = ("an", "be", "co", "di", "el", "fa", "go", "hi", "in", "jo")
_TRACKS = "[...document.querySelectorAll('.sg-name b')].map(name => name.textContent).join()"


def main(
    run: tyro.conf.Positional[str | None] = None, catalogue: str = "builtin:211871", clicks: int = 15, tabs: int = 10
) -> None:
    """Click through a session, and print the response times of the page.

    Args:
        run: a run folder; None: the model that comes with the package.
        catalogue: catalogue to play from.
        clicks: clicks of each kind, fewer than a session has tracks.
        tabs: number of sessions that click at the same moment at the end.
    """
    with served(run, catalogue) as address, chromium() as browser:
        server = psutil.Process().children()[0]
        with tab(browser, height=1340) as page:
            page.add_init_script(_WATCH)
            page.goto(address)
            page.get_by_text("Your start: 0 of 5").wait_for()
            report("first visit", [page.evaluate("performance.now()") / 1000])
            begun = before = sum(server.cpu_times()[:2])
            n_clicks = 0
            for name, seconds in measure(page, clicks):
                now = sum(server.cpu_times()[:2])
                report(name, seconds, (now - before) / len(seconds))
                before, n_clicks = now, n_clicks + len(seconds)
            print(f"processor time of the server: {(before - begun) / n_clicks:.3f} s a click")
        report(f"{tabs} sessions at once", crowd(browser, address, tabs))


def report(name: str, seconds: list[float], busy: float | None = None) -> None:
    """Print the response times of clicks of one kind, and the server's processor time per click, `busy` [s]."""
    slow = "" if median(seconds) <= GOAL else f"   more than {GOAL} s"
    processor = "" if busy is None else f"   processor {busy:.3f} s"
    print(
        f"{name:26s} median {median(seconds):.3f} s   slowest of {len(seconds)} {max(seconds):.3f} s{processor}{slow}"
    )


def crowd(browser: Browser, address: str, n: int) -> list[float]:
    """Press a button in n sessions at the same moment; return the response time of each [s]."""
    with ExitStack() as stack:
        pages = [stack.enter_context(tab(browser)) for _ in range(n)]
        for page in pages:
            page.add_init_script(_WATCH)
            page.goto(address)
            page.locator(".st-key-begin-surprise button").click()
            page.get_by_text("next track, 1").wait_for()
        for page in pages:
            page.evaluate("() => { window.pressed = performance.now(); " + _PRESS + " }")
        shown = (
            "[...document.querySelectorAll('.sg-kicker')].some(line => line.textContent.startsWith('next track, 2'))"
        )
        return [_waited(page, shown) for page in pages]


def measure(page: Page, clicks: int) -> Iterator[tuple[str, list[float]]]:
    """Yield each kind of click with the response times [s]."""
    yield "search, from the last key", [_search(page, number) for number in range(clicks)]
    page.get_by_label("Search by").fill("")
    page.wait_for_timeout(2 * _PAUSE)
    for name, key in (("Listened", "listened"), ("Skip", "skip"), ("Play", "instead-3")):
        begin_with_the_known(page)
        button = page.locator(f".st-key-{key} button")
        yield name, [_click(page, button, f"next track, {i + 2}") for i in range(clicks)]
        page.locator(".st-key-leave button").click()
        page.get_by_text("Your start: 0 of 5").wait_for()
    begin_with_the_known(page)
    compare, listen = (page.get_by_text(view, exact=True).first for view in ("Compare", "Listen"))
    both = [
        (_click(page, compare, "why they differ"), _click(page, listen, "the agent reads your vibe"))
        for _ in range(clicks)
    ]
    yield "Compare", [there for there, _ in both]
    yield "back to Listen", [back for _, back in both]


def _click(page: Page, target: Locator, text: str) -> float:
    said = f"[...document.querySelectorAll('.sg-kicker')].some(line => line.textContent.startsWith({text!r}))"
    return _timed(page, target.click, said)


def _search(page: Page, number: int) -> float:
    """Type two letters into the search field, and wait until the list of tracks changes."""
    field = page.get_by_label("Search by")
    before = page.evaluate(_TRACKS)
    field.fill("")
    page.wait_for_function(f"before => {_TRACKS} !== before || !before", arg=before if number else "")
    page.wait_for_timeout(_PAUSE)
    page.evaluate(f"window.before = {_TRACKS}")
    syllable = _SYLLABLES[number % len(_SYLLABLES)]
    return _timed(page, lambda: field.press_sequentially(syllable), f"{_TRACKS} !== window.before")


def _timed(page: Page, act: Callable[[], None], shown: str) -> float:
    """Call `act`, and return the time from its last press until the JavaScript expression `shown` is true [s]."""
    act()
    seconds = _waited(page, shown)
    page.wait_for_timeout(_PAUSE)
    return seconds


def _waited(page: Page, shown: str) -> float:
    milliseconds: float = page.wait_for_function(f"() => {shown} && performance.now() - window.pressed").json_value()
    return milliseconds / 1000


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.page_speed"))
