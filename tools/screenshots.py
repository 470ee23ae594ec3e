"""Make the screenshots and the GIF of the page for the README: `python -m tools.screenshots`."""

from __future__ import annotations

import sys
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import tyro
from PIL import Image
from playwright.sync_api import Browser, Page

from spotify_gym.cli.command import guarded
from tools.browser import begin_with_the_known, chromium, served, tab

_ANSWERS = ("Listened", "Listened", "Skip", "Listened", "Listened", "Listened", "Skip", "Listened")
_STILL = 1_500  # time until the page is at rest [ms]
_FRAMES, _FRAME, _FILM = 15, 900, (1040, 760)  # of the GIF: number of frames, time per frame [ms], window [px]
_COLOURS = 256  # per picture, enough for no visible difference on this page
_MARGIN = 40  # below the last element of the page [px]
_TALL = 1_340  # height of a window that shows the session without scrolling [px]


def main(run: tyro.conf.Positional[str | None] = None, catalogue: str | None = None) -> None:
    """Take screenshots of a session with the agent: on a desktop in light and dark mode, and on a phone.

    Args:
        run: a run folder; None: the model that comes with the package.
        catalogue: catalogue to play from; None: the one that the model was trained on.
    """
    with served(run, catalogue) as address, chromium() as browser:
        photograph = partial(_photograph, browser, address)
        photograph("page", all_views=True, height=_TALL)
        photograph("page-dark", height=_TALL, color_scheme="dark")
        photograph("page-phone", width=390, height=844, device_scale_factor=2)
        _film(browser, address)


def _photograph(browser: Browser, address: str, name: str, *, all_views: bool = False, **device: Any) -> None:
    with tab(browser, **device) as page:
        page.goto(address)
        page.get_by_text("Your start: 0 of 5").wait_for()
        if all_views:
            _save(page, f"{name}-start")
        begin_with_the_known(page)
        for number, answer in enumerate(_ANSWERS, start=2):
            page.wait_for_timeout(_STILL / 2)
            page.get_by_role("button", name=answer).click()
            page.get_by_text(f"next track, {number} of").wait_for()
        _save(page, name)
        if all_views:
            page.get_by_text("Compare", exact=True).click()
            page.get_by_text("why they differ").wait_for()
            _save(page, f"{name}-compare")
            page.get_by_text("Race", exact=True).click()
            page.get_by_text("Who keeps the session going?").wait_for()
            page.get_by_role("slider").first.press("Home")  # the untrained model
            page.get_by_text("after 0% of its training").first.wait_for()
            _save(page, f"{name}-race")


def _film(browser: Browser, address: str) -> None:
    """Listen to several tracks in a row, and save the page as a GIF."""
    frames = []
    with tab(browser, *_FILM) as page:
        page.goto(address)
        page.get_by_text("Your start: 0 of 5").wait_for()
        begin_with_the_known(page)
        for number in range(2, _FRAMES + 2):
            page.wait_for_timeout(_STILL)
            frames.append(Image.open(BytesIO(page.screenshot())).quantize(_COLOURS // 4, dither=Image.Dither.NONE))
            page.get_by_role("button", name="Listened").click()
            page.get_by_text(f"next track, {number} of").wait_for()
    file = Path("docs/pictures/page.gif")
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=_FRAME, loop=0, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def _save(page: Page, name: str) -> None:
    """Save a screenshot, cropped to the height of the page."""
    page.mouse.move(0, 0)
    page.evaluate("document.querySelector('[data-testid=stMain]').scrollTo(0, 0)")
    page.wait_for_timeout(_STILL)
    box = page.locator("[data-testid=stMainBlockContainer] > div").first.bounding_box()
    assert box is not None  # the container always exists
    picture = Image.open(BytesIO(page.screenshot()))
    pixels = picture.width / page.evaluate("window.innerWidth")  # picture pixels per page pixel
    bottom = min(picture.height, round((box["y"] + box["height"] + _MARGIN) * pixels))
    file = Path("docs/pictures") / f"{name}.png"
    picture.crop((0, 0, picture.width, bottom)).quantize(_COLOURS).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.screenshots"))
