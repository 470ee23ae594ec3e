"""Measure in a real browser how long a click on the page takes: `python -m experiments.page_speed`.

A click counts from the moment the button goes down until the new track, list or view stands on the screen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Locator, Page

from experiments.browser import begin_with_the_known, chromium, served, tab
from spotify_gym.training.command_line import Command, run_command

GOAL = 0.3
"""Seconds that a click may take, in the middle of all."""

_WATCH = """
for (const kind of ["pointerdown", "keydown"])
  document.addEventListener(kind, () => { window.pressed = performance.now() }, true);
"""
_PAUSE = 700  # between two clicks, each of which is to be one of its own [ms]
_SYLLABLES = ("an", "be", "co", "di", "el", "fa", "go", "hi", "in", "jo")


@dataclass(frozen=True)
class PageSpeed(Command):
    """Click through a session, and say how long the page took to answer."""

    run_folder: str | None = None
    """A run; None: the model that comes with the package."""
    catalogue: str = "builtin:211871"
    """What can be played."""
    clicks: int = 20
    """Of each kind."""

    def run(self) -> None:
        """Measure and print."""
        arguments = [*([self.run_folder] if self.run_folder else []), "--catalogue", self.catalogue]
        with served(*arguments) as address, chromium() as browser, tab(browser, height=1340) as page:
            page.add_init_script(_WATCH)
            page.goto(address)
            page.get_by_text("Your start: 0 of 5").wait_for()
            for name, seconds in self._measure(page):
                print(f"{name:26s} median {median(seconds):.3f} s   slowest of {len(seconds)} {max(seconds):.3f} s")

    def _measure(self, page: Page) -> Iterator[tuple[str, list[float]]]:
        yield "search, from the last key", [self._search(page, number) for number in range(self.clicks)]
        page.get_by_label("Search by").fill("")
        page.wait_for_timeout(2 * _PAUSE)
        begin_with_the_known(page)
        count = 1
        for name, key in (("Listened", "listened"), ("Skip", "skip"), ("Play this one", "instead-3")):
            button = page.locator(f".st-key-{key} button")
            seconds = [self._click(page, button, f"next track, {count + i + 1}") for i in range(self.clicks)]
            count += self.clicks
            yield name, seconds
        compare, listen = (page.get_by_text(view, exact=True).first for view in ("Compare", "Listen"))
        both = [
            (self._click(page, compare, "why they differ"), self._click(page, listen, "the agent reads your vibe"))
            for _ in range(self.clicks)
        ]
        yield "Compare", [there for there, _ in both]
        yield "back to Listen", [back for _, back in both]

    def _click(self, page: Page, target: Locator, text: str) -> float:
        said = f"[...document.querySelectorAll('.sg-kicker')].some(line => line.textContent.startsWith({text!r}))"
        return _timed(page, target.click, said)

    def _search(self, page: Page, number: int) -> float:
        """Type two letters, and wait for other tracks than before."""
        tracks = "[...document.querySelectorAll('.sg-name b')].map(name => name.textContent).join()"
        before = page.evaluate(tracks)
        page.get_by_label("Search by").fill("")
        page.wait_for_function(f"before => {tracks} !== before || !before", arg=before if number else "")
        page.wait_for_timeout(_PAUSE)
        page.evaluate(f"window.before = {tracks}")
        syllable = _SYLLABLES[number % len(_SYLLABLES)]
        return _timed(
            page, lambda: page.get_by_label("Search by").press_sequentially(syllable), f"{tracks} !== window.before"
        )


def _timed(page: Page, act: Callable[[], None], shown: str) -> float:
    """Return the seconds from the last press until `shown`, an expression of JavaScript, is true."""
    act()
    milliseconds: float = page.wait_for_function(f"() => {shown} && performance.now() - window.pressed").json_value()
    page.wait_for_timeout(_PAUSE)
    return milliseconds / 1000


if __name__ == "__main__":
    sys.exit(run_command(PageSpeed, "python -m experiments.page_speed"))
