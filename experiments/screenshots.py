"""Make the pictures of the page that the README shows: `python -m experiments.screenshots`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page

from experiments.browser import begin_with_the_known, chromium, served, tab
from spotify_gym.training.command_line import Command, run_command

_ANSWERS = ("Listened", "Listened", "Skip", "Listened", "Listened", "Listened", "Skip", "Listened")
_STILL = 1_500  # until nothing on the page moves any more [ms]
_COLOURS = 256  # in a picture, which are as many as anybody can tell apart on this page
_MARGIN = 40  # below the last thing on the page [px]
_TALL = 1_340  # of a window that shows the session without scrolling [px]


@dataclass(frozen=True)
class Screenshots(Command):
    """Sit in a session with the agent, and photograph it: on a desk in light and dark, and on a phone."""

    out: Path = Path("docs/pictures")
    """Folder of the pictures."""
    run_folder: str | None = None
    """A run; None: the model that comes with the package."""
    catalogue: str | None = None
    """What can be played; None: what the model was trained on."""

    def run(self) -> None:
        """Make every picture anew."""
        self.out.mkdir(parents=True, exist_ok=True)
        arguments = [self.run_folder] if self.run_folder else []
        arguments += ["--catalogue", self.catalogue] if self.catalogue else []
        with served(*arguments) as address, chromium() as browser:
            self._photograph(browser, address, "page", all_views=True, height=_TALL)
            self._photograph(browser, address, "page-dark", height=_TALL, color_scheme="dark")
            self._photograph(browser, address, "page-phone", width=390, height=844, device_scale_factor=2)

    def _photograph(self, browser: Browser, address: str, name: str, *, all_views: bool = False, **device: Any) -> None:
        with tab(browser, **device) as page:
            page.goto(address)
            page.get_by_text("Your start: 0 of 5").wait_for()
            if all_views:
                self._save(page, f"{name}-start")
            begin_with_the_known(page)
            for number, answer in enumerate(_ANSWERS, start=2):
                page.wait_for_timeout(_STILL / 2)
                page.get_by_role("button", name=answer).click()
                page.get_by_text(f"next track, {number} of").wait_for()
            self._save(page, name)
            if all_views:
                page.get_by_text("Compare", exact=True).click()
                page.get_by_text("why they differ").wait_for()
                self._save(page, f"{name}-compare")

    def _save(self, page: Page, name: str) -> None:
        page.mouse.move(0, 0)
        page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
        page.wait_for_timeout(_STILL)
        file = self.out / f"{name}.png"
        picture = Image.open(BytesIO(page.screenshot(clip=_contents(page))))
        picture.quantize(_COLOURS).save(file, optimize=True)
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def _contents(page: Page) -> FloatRect:
    """Return the part of the window that the page fills [px]."""
    assert page.viewport_size is not None  # every tab is opened with one
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    box = page.locator("[data-testid=stMainBlockContainer] > div").first.bounding_box()
    assert box is not None  # it is there before anything else is
    return {"x": 0, "y": 0, "width": width, "height": min(height, box["y"] + box["height"] + _MARGIN)}


if __name__ == "__main__":
    sys.exit(run_command(Screenshots, "python -m experiments.screenshots"))
