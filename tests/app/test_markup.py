from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.app.markup import empty_place, facts, headline, track_card, track_row
from spotify_gym.catalogue import TextColumn
from tests.catalogues import hand_made

TITLE = "<script>alert('a&b')</script> **x** \"y\""


class Reader(HTMLParser):
    """What a browser would make of it: the elements, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def nasty() -> Catalogue:
    catalogue = hand_made(np.ones((1, 2), np.float32), [TITLE])
    genres = np.ones((1, 1), np.bool_)
    return replace(catalogue, artists=TextColumn.of([TITLE]), genres=genres, genre_names=(TITLE,))


def test_markup__shows_any_text_as_it_is(nasty: Catalogue) -> None:
    for html in (track_card(nasty, 0, TITLE, 0.5, TITLE), track_row(nasty, 0, 1, TITLE), headline(TITLE, TITLE, TITLE)):
        read = Reader(html)
        assert "script" not in read.tags
        assert TITLE in read.text
    assert TITLE in Reader(facts([(TITLE, TITLE)])).text
    assert TITLE in Reader(empty_place(TITLE)).text


@pytest.mark.parametrize(("similarity", "width"), [(0.5, "50%"), (-0.5, "0%"), (1.0, "100%"), (2.0, "100%")])
def test_meter__fills_with_similarity(nasty: Catalogue, similarity: float, width: str) -> None:
    assert f"width:{width}" in track_card(nasty, 0, "", similarity, "")
