"""The page from end to end: a real server, a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from spotify_gym.app.charts import NEXT, QUIET, VIBE
from tests.app.conftest import NASTY, NASTY_GENRE

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")

from tools.browser import begin_with_the_known, chromium, find_chromium, served, tab  # noqa: E402

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine"),
]

# The server, with a log of every address that it connects to.
WATCHED = """
import sys
log = open(sys.argv.pop(1), "a", buffering=1)
sys.addaudithook(lambda event, args: event == "socket.connect" and log.write(f"{args[1]}\\n"))
from spotify_gym.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def connections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "connections.txt"


@pytest.fixture(scope="module")
def address(run_folder: Path, connections: Path) -> Iterator[str]:
    with served(str(run_folder), python=("-c", WATCHED, str(connections))) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def requests() -> list[str]:
    """The address of every request of the pages of a test."""
    return []


@pytest.fixture
def open_tab(browser: Any, address: str, requests: list[str]) -> Iterator[Callable[..., Any]]:
    """Open the page as another person; at the end, check that there were no errors and no requests to other hosts."""
    errors: list[str] = []
    with ExitStack() as tabs:

        def open_tab(**device: Any) -> Any:
            page = tabs.enter_context(tab(browser, **device))
            page.on("request", lambda request: requests.append(request.url))
            page.on("websocket", lambda websocket: requests.append(websocket.url))
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            page.get_by_text("An agent is about to read your taste").wait_for()
            return page

        yield open_tab
    assert not errors
    here = address.removeprefix("http://").rstrip("/")
    assert requests
    assert {url.split("/")[2] for url in requests if not url.startswith(("data:", "blob:"))} == {here}


def wait_for_track(page: Any, number: int) -> None:
    page.get_by_text(f"next track, {number} of 20").wait_for()


def click_through(page: Any, point: Any) -> None:
    """Click at the position of an element, even if another one covers it."""
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def settle() -> None:
    """Wait until the next click does not count as a double click."""
    time.sleep(0.6)


def test_session__from_search_to_playlist(open_tab: Callable[..., Any], tmp_path: Path) -> None:
    page = open_tab()
    page.get_by_label("Search by title or artist").press_sequentially("song 12")  # results appear during typing
    page.get_by_text("Song 12", exact=True).wait_for()
    begin_with_the_known(page)
    wait_for_track(page, 1)
    page.get_by_role("button", name="Listened").click()
    wait_for_track(page, 2)
    page.get_by_role("button", name="Skip").click()
    wait_for_track(page, 3)
    page.locator(".st-key-instead-2 button").click()
    wait_for_track(page, 4)
    for chart in range(2):
        page.locator("[data-testid=stVegaLiteChart]").nth(chart).wait_for()
    page.locator(".sg-facts", has_text="2listened").and_(page.locator(".sg-facts", has_text="1skipped")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    download.value.save_as(tmp_path / "playlist.csv")
    assert [row.split(",")[1] for row in (tmp_path / "playlist.csv").read_text().splitlines()[6:]] == [
        "listened",
        "skipped",
        "listened",
    ]


def test_player__asks_spotify_alone_and_only_when_wanted(open_tab: Callable[..., Any], requests: list[str]) -> None:
    page = open_tab()
    page.route("https://open.spotify.com/**", lambda route: route.fulfill(body="a player"))
    begin_with_the_known(page)
    settle()
    assert not [url for url in requests if "spotify" in url]
    page.get_by_text("Hear it here, with Spotify's player").click()
    page.frame_locator("iframe").get_by_text("a player").wait_for()
    (asked,) = [url for url in requests if "spotify" in url]
    assert asked.startswith("https://open.spotify.com/embed/track/")
    requests.remove(asked)


def test_double_click__counts_once(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.get_by_role("button", name="Listened").dblclick()
    wait_for_track(page, 2)
    settle()
    assert page.get_by_text("next track, 2 of 20").is_visible()
    page.locator(".st-key-instead-1 button").dblclick()
    wait_for_track(page, 3)
    settle()
    assert page.get_by_text("next track, 3 of 20").is_visible()


def test_quick_clicks__lose_nothing(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    keys = [*(f"instead-{place}" for place in range(1, 5)), "listened", "skip"]  # displayed now, then displayed next
    burst = "keys => keys.forEach(key => document.querySelector(`.st-key-${key} button`).click())"
    for number in (7, 13, 19):
        page.locator(".st-key-instead-9 button").wait_for()  # the last one that is drawn
        page.evaluate(burst, keys)  # each click arrives before the server has handled the one before
        wait_for_track(page, number)
        settle()
    page.locator(".sg-facts", has_text="15listened").and_(page.locator(".sg-facts", has_text="3skipped")).wait_for()


def test_reload__keeps_the_session_and_a_stranger_sees_nothing_of_it(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.get_by_role("button", name="Listened").click()
    wait_for_track(page, 2)
    title = page.locator(".sg-head").nth(1).inner_text()
    stranger = open_tab()
    page.reload()
    wait_for_track(page, 2)
    assert page.locator(".sg-head").nth(1).inner_text() == title
    assert stranger.get_by_text("An agent is about to read your taste").is_visible()
    assert page.url != stranger.url


def test_titles__are_shown_as_they_are(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    for title in NASTY:
        page.get_by_text(title, exact=True).first.wait_for()
    page.get_by_text("Pick a genre").click()
    page.get_by_label("Genre", exact=True).click()
    page.get_by_role("option", name=NASTY_GENRE, exact=True).click()
    page.get_by_role("button", name="Start listening").click()
    wait_for_track(page, 1)
    page.locator(".sg-chip", has_text=NASTY_GENRE).or_(page.locator(".sg-chip", has_text="metal")).wait_for()
    assert page.title() == "Spotify Gym"


def test_titles__are_shown_as_they_are_on_the_map_and_in_the_playlist(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.locator("[data-testid=stVegaLiteChart]", has_text=NASTY_GENRE).wait_for()  # the name of a place
    for place, title in enumerate(NASTY):
        page.locator(".layer_2_marks path").nth(place).dispatch_event("pointermove")
        page.locator("#vg-tooltip-element.visible").get_by_text(f"{title} — Band {place}", exact=True).wait_for()
        page.locator("[role=gridcell]").get_by_text(title, exact=True).wait_for(state="attached")
    assert page.title() == "Spotify Gym"


def test_map__is_there_for_everybody_and_can_be_clicked(open_tab: Callable[..., Any], requests: list[str]) -> None:
    for _ in range(2):
        page = open_tab()
        page.get_by_text("Pick on the map").click()
        page.locator(".view_1_marks path").nth(299).wait_for(state="attached")
    for place in range(5):
        click_through(page, page.locator(".view_1_marks path").nth(60 * place))
        page.get_by_text(f"Your start: {place + 1} of 5").wait_for()
    page.get_by_role("button", name="Start listening").click()
    wait_for_track(page, 1)
    click_through(page, page.locator(".view_1_marks path").nth(299))
    page.locator(".st-key-play-picked button").click()
    wait_for_track(page, 2)
    page.locator(".st-key-play-picked button", has_text="Played").wait_for()
    click_through(page, page.locator(".view_2_marks path").nth(2))  # the third choice of the agent
    third = page.locator("#vg-tooltip-element").inner_text().partition(" — ")[0]
    page.locator(".st-key-line-play-picked", has_text=third).wait_for()
    asked = sum("/map-" in url for url in requests)
    page.get_by_role("button", name="Listened").click()
    wait_for_track(page, 3)
    assert sum("/map-" in url for url in requests) == asked


def test_back__leads_to_the_start_and_new_session_can_be_undone(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.get_by_role("button", name="Listened").click()
    wait_for_track(page, 2)
    page.get_by_text("Race", exact=True).click()
    page.get_by_text("Who keeps the session going?").wait_for()
    page.go_back()
    wait_for_track(page, 2)
    page.go_back()
    page.get_by_text("An agent is about to read your taste").wait_for()
    page.go_forward()
    wait_for_track(page, 2)
    page.get_by_role("button", name="New session").click()
    page.get_by_role("button", name="Back to my session").click()
    wait_for_track(page, 2)
    for number in range(3, 22):
        settle()
        page.get_by_role("button", name="Listened").click()
        page.get_by_text(f"next track, {number} of 20" if number < 21 else "the session is over").wait_for()
    page.go_back()
    wait_for_track(page, 20)


def test_keyboard__is_enough(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.keyboard.press("l")
    wait_for_track(page, 2)
    page.keyboard.press("s")
    wait_for_track(page, 3)
    page.keyboard.press("u")
    wait_for_track(page, 2)
    settle()
    page.get_by_role("button", name="Listened").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for_track(page, 3)
    page.locator(".sg-facts", has_text="1skipped").wait_for()


def test_phone__needs_no_scrolling_sideways_and_no_sharp_finger(open_tab: Callable[..., Any]) -> None:
    page = open_tab(width=375, height=844, is_mobile=True, has_touch=True)

    def width() -> int:
        settle()
        taken: int = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        return taken

    assert width() <= 375
    begin_with_the_known(page)
    page.get_by_text("Compare", exact=True).tap()
    page.get_by_text("why they differ").wait_for()
    assert width() <= 375
    page.get_by_text("Listen", exact=True).tap()
    page.get_by_role("button", name="Listened").tap()
    wait_for_track(page, 2)
    assert width() <= 375
    low = "button => button.offsetParent && button.getBoundingClientRect().height < 44"
    assert not page.evaluate(f"[...document.querySelectorAll('button, summary')].filter({low}).map(b => b.innerText)")
    for name in ("Listened", "Skip", "Undo"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 375


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours__follow_the_system_and_stay_legible(open_tab: Callable[..., Any], scheme: str) -> None:
    page = open_tab(color_scheme=scheme)
    read = "element => {const s = getComputedStyle(element); return [s.backgroundColor, s.color, s.opacity]}"
    background, text, _ = page.locator("[data-testid=stApp]").evaluate(read)
    assert (_luminance(_colour(background)) < _luminance(_colour(text))) == (scheme == "dark")
    assert _contrast(_colour(background), _colour(text)) > 7  # WCAG AAA
    begin_with_the_known(page)
    for quiet in (".sg-kicker", ".sg-sub", ".sg-why", ".sg-value", ".sg-rank", ".sg-name span", ".sg-key"):
        _, text, opacity = page.locator(quiet).first.evaluate(read)
        assert _contrast(_colour(background), _faded(text, background, float(opacity))) > 4.5, quiet  # WCAG AA
    for colour in (VIBE, NEXT, QUIET):
        drawn = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        assert _contrast(_colour(background), drawn) > 2.2, colour
    quiet_text = [int(QUIET[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    assert _contrast(_colour(background), quiet_text) > 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view__can_be_read_by_everybody(open_tab: Callable[..., Any], scheme: str) -> None:
    page = open_tab(color_scheme=scheme)

    def see_that_all_is_well() -> None:
        settle()
        told = axe.Axe().run(page).response["violations"]
        bad = [one for one in told if one["impact"] in ("serious", "critical")]
        assert not [f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}" for one in bad]

    see_that_all_is_well()
    page.get_by_text("Pick a genre").click()
    see_that_all_is_well()
    page.locator(".st-key-begin-surprise button").click()
    wait_for_track(page, 1)
    see_that_all_is_well()
    page.get_by_text("Why, in numbers").click()
    page.get_by_role("button", name="Skip").click()
    wait_for_track(page, 2)
    see_that_all_is_well()
    page.get_by_text("Compare", exact=True).click()
    page.get_by_text("why they differ").wait_for()
    see_that_all_is_well()
    page.get_by_text("Race", exact=True).click()
    page.get_by_text("Who keeps the session going?").wait_for()
    see_that_all_is_well()


def _colour(rgb: str) -> list[float]:
    """Return red, green and blue, in [0, 1], of `rgb(...)`."""
    return [int(part) / 255 for part in rgb.removeprefix("rgb(").removesuffix(")").split(",")]


def _faded(text: str, background: str, opacity: float) -> list[float]:
    pairs = zip(_colour(text), _colour(background), strict=True)
    return [opacity * over + (1 - opacity) * under for over, under in pairs]


def _contrast(one: list[float], other: list[float]) -> float:
    """Return the contrast of WCAG, from 1 to 21."""
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: list[float]) -> float:
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_auto_play__keeps_the_pace_that_is_set(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.get_by_role("slider").press("End")
    page.locator(".st-key-pace").get_by_text("5.00").first.wait_for()
    page.get_by_text("Auto-play").click()
    begun = time.monotonic()
    wait_for_track(page, 2)
    assert time.monotonic() - begun > 4  # at the pace that the page opens with it would have been 1.5 s


def test_auto_play__goes_on_by_itself_until_it_is_stopped(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    begin_with_the_known(page)
    page.get_by_text("Auto-play").click()
    wait_for_track(page, 2)
    wait_for_track(page, 3)
    page.get_by_text("Auto-play").click()
    settle()
    said = page.get_by_text("next track,").inner_text()
    time.sleep(2.5)  # a track takes 1.5 s
    assert page.get_by_text("next track,").inner_text() == said


def test_server__talks_to_nobody_else(open_tab: Callable[..., Any], connections: Path) -> None:
    begin_with_the_known(open_tab())
    addresses = connections.read_text().splitlines()
    assert all("127.0.0.1" in line or "::1" in line or line.startswith("/") for line in addresses), addresses
