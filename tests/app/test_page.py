"""The page in Streamlit's test harness, without a browser; and how it is served."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from spotify_gym import Catalogue
from spotify_gym.app import user_session as user_session_module
from spotify_gym.app.app_state import SHIPPED_RUN, AppState
from spotify_gym.app.serve import PAGE, serve
from spotify_gym.app.user_session import UserSessions
from spotify_gym.cli.app import App
from tests.app.conftest import NASTY, barely_trained

Open = Callable[..., AppTest]


@pytest.fixture
def open_page(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Return a function that opens the page in a new tab; quick clicks do not count as double clicks."""
    monkeypatch.setattr(user_session_module, "DOUBLE_CLICK", 0.0)

    @cache
    def users(*runs: str | Path, catalogue: str | None) -> UserSessions:
        return UserSessions(AppState.open(runs, catalogue))

    def open_page(*runs: str | Path, catalogue: str | None = None, user: str | None = None) -> AppTest:
        monkeypatch.setattr(
            sys.modules[serve.__module__], "_served", users(*(runs or [run_folder]), catalogue=catalogue)
        )
        tab = AppTest.from_file(PAGE, default_timeout=30)
        if user is not None:
            tab.query_params["user"] = user
        return tab.run()

    return open_page


def text_of(tab: AppTest) -> str:
    """Return all text of the page, as it was sent."""
    assert not tab.exception
    return "\n".join(
        str(element.value) for kind in ("html", "text", "caption", "markdown") for element in tab.get(kind)
    )


def secret_of(tab: AppTest) -> str:
    value = tab.query_params["user"]
    return value[0] if isinstance(value, list) else value


def begin(tab: AppTest) -> AppTest:
    return tab.button(key="begin-surprise").click().run()


def open_numbers(tab: AppTest) -> None:
    tab.session_state["numbers"] = True
    tab.run()


def plays_of(tab: AppTest) -> list[str]:
    """Return the answers so far, without the starting tracks."""
    assert not tab.exception
    answers: list[str] = tab.dataframe[-1].value["answer"].tolist()
    return [answer for answer in answers if answer != "start"]


def test_page__welcomes_somebody_who_knows_nothing(open_page: Open) -> None:
    said = text_of(open_page())
    assert "An agent is about to read your taste" in said
    assert "Out of 300" in said
    assert "**What do I do?**" in said


def test_start__by_search(open_page: Open) -> None:
    tab = open_page()
    assert tab.button(key="begin").disabled
    tab.text_input(key="search").input("no such song").run()
    assert "Nothing found" in text_of(tab)
    tab.text_input(key="search").input("band 7").run()
    for place in range(5):
        tab.button(key=f"add-{place}").click().run()
    assert tab.button(key="add-5").disabled
    tab.button(key="drop-4").click().run()
    tab.button(key="add-6").click().run()
    tab.button(key="begin").click().run()
    assert "next track, 1 of 20" in text_of(tab)
    playlist = tab.dataframe[-1].value
    assert len(playlist) == 5
    assert all("7" in title + artist for title, artist in zip(playlist["title"], playlist["artists"], strict=True))


def test_start__by_genre(open_page: Open) -> None:
    tab = open_page()
    tab.segmented_control(key="way").set_value("Pick a genre").run()
    tab.selectbox(key="genre").select("metal").run()
    tab.button(key="begin-genre").click().run()
    assert "the agent reads your vibe as" in text_of(tab)


def test_listen_skip_choose_and_undo(open_page: Open) -> None:
    tab = begin(open_page())
    assert [key for button in tab.button if "instead" in (key := str(button.key))] == [
        f"instead-{i}" for i in range(1, 10)
    ]
    assert len(tab.get("vega_lite_chart")) == 1
    tab.button(key="listened").click().run()
    assert len(tab.get("vega_lite_chart")) == 2
    tab.button(key="skip").click().run()
    tab.button(key="instead-4").click().run()
    assert plays_of(tab) == ["listened", "skipped", "listened"]
    assert "next track, 4 of 20" in text_of(tab)
    tab.button(key="undo").click().run()
    assert plays_of(tab) == ["listened", "skipped"]


def test_why__is_told_in_words_and_numbers(open_page: Open) -> None:
    tab = begin(open_page())
    assert len(tab.dataframe) == 1
    open_numbers(tab)
    said = text_of(tab)
    assert "your vibe" in said
    by_value, numbers = (tab.dataframe[i].value for i in (0, 1))
    assert by_value["value"].tolist() == sorted(by_value["value"], reverse=True)
    assert numbers.columns.tolist() == ["how", "your vibe", "this track", "adds"]
    similarity = re.search(r"similarity to your vibe</span>.*?<b>(.*?)</b>", said)
    assert similarity is not None
    assert numbers["adds"].sum() == pytest.approx(float(similarity[1].replace("−", "-")), abs=0.05)


def test_playlist__can_be_taken_along(open_page: Open) -> None:
    tab = begin(open_page())
    tab.button(key="listened").click().run()
    assert [download.proto.label for download in tab.get("download_button")] == ["CSV"]
    links = tab.get("code")[0].value.splitlines()  # the ids of this table look real
    assert len(links) == 6
    assert all(link.startswith("https://open.spotify.com/track/") for link in links)


def test_player__is_off_until_it_is_wanted(open_page: Open) -> None:
    tab = begin(open_page())
    assert not tab.get("iframe")
    tab.toggle(key="player").set_value(True).run()
    assert len(tab.get("iframe")) == 1


def test_reload__keeps_the_session(open_page: Open) -> None:
    tab = begin(open_page())
    tab.button(key="listened").click().run()
    again = open_page(user=secret_of(tab))
    assert plays_of(again) == ["listened"]
    assert again.dataframe[-1].value.equals(tab.dataframe[-1].value)


def test_two_people__do_not_see_each_other(open_page: Open) -> None:
    one, other = begin(open_page()), open_page()
    one.button(key="listened").click().run()
    assert secret_of(one) != secret_of(other)
    assert "An agent is about to read your taste" in text_of(other.run())
    begin(other)
    assert plays_of(other) == []
    assert plays_of(one.run()) == ["listened"]


def test_agent__can_be_changed(open_page: Open) -> None:
    tab = begin(open_page())
    tab.selectbox(key="agent").select("Random").run()
    open_numbers(tab)
    assert "How Random ranks tracks: by a random number." in text_of(tab)
    assert "Chosen at random" in text_of(tab)
    again = open_page(user=secret_of(tab))
    assert again.selectbox(key="agent").value == "Random"


def test_titles__are_text(open_page: Open) -> None:
    tab = open_page()  # the nasty titles lead the charts, and so are on offer at once
    html = "\n".join(str(element.value) for element in tab.get("html"))
    rendered = "\n".join(str(element.value) for kind in ("markdown", "caption") for element in tab.get(kind))
    labels = "\n".join(button.label for button in tab.button)
    for title in NASTY:
        assert escape(title) in html
        assert title not in rendered + labels  # which Streamlit reads as Markdown
    assert "<script>" not in html


def test_compare__shows_two_agents_side_by_side(open_page: Open) -> None:
    tab = begin(open_page())
    tab.segmented_control(key="view").set_value("Compare").run()
    assert "why they differ" in text_of(tab)
    tab.selectbox(key="left").select("Popular").run()
    tab.selectbox(key="right").select("Popular").run()
    assert "Both would play the same track now." in text_of(tab)
    tab.segmented_control(key="view").set_value("Listen").run()
    assert "next track, 1 of 20" in text_of(tab)


def test_compare__sets_trained_agents_beside_each_other(open_page: Open, run_folder: Path, tmp_path: Path) -> None:
    other = copytree(run_folder, tmp_path / "**bold** <b>")
    tab = begin(open_page(run_folder, other))
    one, two = names = ["DQN (Playlist, run)", "DQN (Playlist, **bold** <b>)"]
    assert tab.selectbox(key="agent").options == [*names, "Nearest", "Popular", "Random"]
    tab.selectbox(key="agent").select(two).run()
    tab.button(key="listened").click().run()
    open_numbers(tab)
    html = "\n".join(str(element.value) for element in tab.get("html"))
    assert "How DQN (Playlist, **bold** &lt;b&gt;) ranks tracks" in html
    tab.segmented_control(key="view").set_value("Compare").run()
    assert [tab.selectbox(key=key).value for key in ("left", "right")] == [one, two]
    said = text_of(tab)
    assert "first choice of DQN (Playlist, **bold** &lt;b&gt;)" in said
    assert "They agree on 10 of their 10 best tracks." in said  # it is the same model twice
    assert said.count("in 4 sessions of SpotifyPlaylist-v0") == 2
    assert "**bold** <b>" not in said  # which Streamlit would read as Markdown, and a browser as HTML


def test_auto_play__is_offered_until_the_session_is_over(open_page: Open) -> None:
    tab = begin(open_page())
    tab.toggle(key="auto").set_value(True).run()
    assert plays_of(tab) == []  # it waits for the clock
    for _ in range(20):
        tab.button(key="listened").click().run()
    assert tab.toggle(key="auto").disabled
    said = text_of(tab)
    assert "the session is over" in said
    assert "Auto-play has stopped" in said


def test_ending__sets_the_score_beside_those_of_references(open_page: Open) -> None:
    tab = begin(open_page())
    for _ in range(20):
        tab.button(key="listened").click().run()
    shown = re.findall(r'sg-value">([^<]*)</span><span class="sg-bar.*?<b>(.*?)</b>', text_of(tab))
    shown_of = {name: score for name, score in shown if name != "similarity to your vibe"}
    earned = {name: float(score.replace("−", "-")) for name, score in shown_of.items()}
    assert (
        earned["random tracks"]
        < earned["always the track that earns the most now"]
        <= earned["a planner that knows all the rules"]
    )
    assert f"<b>{shown_of['DQN (Playlist) and you']}</b><span>reward in all" in text_of(tab)
    tab.selectbox(key="agent").select("Nearest").run()
    tab.button(key="again").click().run()
    assert "next track, 1 of 20" in text_of(tab)
    for _ in range(20):
        tab.button(key="listened").click().run()
    tab.button(key="go-on").click().run()
    assert "next track, 21" in text_of(tab)


def test_new_session__begins_anew_and_can_be_undone(open_page: Open) -> None:
    tab = begin(open_page())
    tab.button(key="listened").click().run()
    tab.button(key="leave").click().run()
    assert "An agent is about to read your taste" in text_of(tab)
    tab.button(key="come-back").click().run()
    assert plays_of(tab) == ["listened"]


def test_address__leads_back_and_on(open_page: Open) -> None:
    tab = open_page()
    before = dict(tab.query_params)
    here = dict(begin(tab).query_params)
    tab.segmented_control(key="view").set_value("Compare").run()
    assert "Compare" in tab.query_params["view"]
    for address, said in ((here, "next track, 1 of 20"), (before, "about to read your taste"), (here, "next track")):
        tab.query_params.clear()
        for name, value in address.items():
            tab.query_params[name] = value
        assert said in text_of(tab.run())
        assert dict(tab.query_params) == address


def test_page__says_what_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[serve.__module__], "_served", None)
    assert "spotify-gym app" in text_of(AppTest.from_file(PAGE).run())


def test_race__with_names_and_without(open_page: Open) -> None:
    tab = begin(open_page())
    tab.segmented_control(key="view").set_value("Race").run()
    assert "Who keeps the session going?" in text_of(tab)
    assert len(re.findall(r'class="sg-row"', text_of(tab))) == 40
    tab.toggle(key="blind").set_value(True).run()
    assert "Random" not in text_of(tab).split("Which one is Random?")[0].split("Who keeps")[1]
    tab.segmented_control(key="guess").set_value("Agent A").run()
    said = text_of(tab)
    assert ("Right: A is Random" in said) != ("Wrong: A is" in said)
    tab.button(key="guess-again").click().run()
    assert "Right:" not in text_of(tab)


def test_what_if__shows_both_answers(open_page: Open) -> None:
    tab = begin(open_page())
    tab.toggle(key="what-if").set_value(True).run()
    assert "if you listen, next is" in text_of(tab)
    tab.button(key="skip").click().run()
    assert "ignores skips" in text_of(tab)
    tab.toggle(key="zoomed").set_value(True).run()
    assert not tab.exception


def test_taste__is_learned_before_ones_eyes(open_page: Open, table: Path, tmp_path: Path) -> None:
    tab = open_page(barely_trained(tmp_path / "run", table, env="SpotifyTaste-v0", state="taste"))
    tab.button(key="begin-listener").click().run()
    tab.selectbox(key="agent").select("Belief").run()
    assert "after 0 answers, Belief believes that they like" in text_of(tab)
    for _ in range(3):
        tab.button(key="answered").click().run()
    said = text_of(tab)
    assert "after 3 answers, Belief believes that they like" in said
    assert "what Belief looks for" in said
    assert "how well Belief knows their taste" in said
    again = open_page(barely_trained(tmp_path / "same", table, env="SpotifyTaste-v0", state="taste"))
    begin(again)
    again.button(key="skip").click().run()
    assert "after 1 answer, DQN (Taste) believes that you like" in text_of(again)


ODD_NAMES = ("x, y", "50 %", "<b>loud</b>", "naïve κ", "_", "a.b[0]", "$x^2$", "**c**", "| d", "e:Q", "track", "share")


@pytest.mark.parametrize("d", [1, 5, 12, 128])
def test_page__over_a_table_of_other_features(open_page: Open, tmp_path: Path, d: int) -> None:
    names = [*ODD_NAMES, *(f"v{i}" for i in range(128))][:d]
    table = pd.DataFrame(1000 * np.random.default_rng(0).normal(size=(60, d)), columns=names)
    table.to_csv(tmp_path / "table.csv", index=False)
    Catalogue.read(tmp_path / "table.csv", features=names).save(tmp_path / "songs.arrow")
    tab = begin(open_page(barely_trained(tmp_path / "run", tmp_path / "songs.arrow")))
    open_numbers(tab)
    for answer in ("listened", "skip", "listened"):
        tab.button(key=answer).click().run()
    said = text_of(tab)
    assert "next track, 4 of 20" in said
    assert "<b>loud</b>" not in said
    assert tab.dataframe[-2].value["how"].tolist()[0].endswith("x, y")
    spec = json.loads(tab.get("vega_lite_chart")[1].proto.spec)
    assert spec["layer"]
    with pytest.raises(ValueError, match=f"{re.escape(names[0])}.*train one on these"):
        AppState.open([SHIPPED_RUN], str(tmp_path / "songs.arrow"))


# How it is served.


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
