"""Charts, the map and HTML fragments."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.decomposition import PCA

from spotify_gym import Catalogue
from spotify_gym.app.charts import map_chart, time_chart
from spotify_gym.app.listening import ListeningSession
from spotify_gym.app.markup import empty_place, facts, headline, scales, track_card, track_row
from spotify_gym.app.pca_map import PcaMap
from spotify_gym.catalogue import TextColumn
from tests.catalogues import hand_made


def test_map__follows_the_session(session: ListeningSession) -> None:
    pca_map = PcaMap.of(session.dynamics.catalogue)
    assert len(map_chart(pca_map, session)["datasets"]["start"]) == 1
    session.listened()
    session.skip()
    data = map_chart(pca_map, session)["datasets"]
    assert len(data["path"]) == 3
    np.testing.assert_allclose(data["path"].to_pandas()[["x", "y"]], pca_map.locate(np.array(session.vibes)))
    assert data["path"]["newest"].to_pylist() == [False, False, True]
    assert len(data["heard"]) == 6
    assert data["offers"]["track"].to_pylist() == [
        session.dynamics.catalogue.label(offer.track) for offer in session.offers()
    ]


def test_time__tells_skips_from_listens(session: ListeningSession) -> None:
    session.listened()
    session.skip()
    plays = time_chart(session)["datasets"]["plays"].to_pandas()
    assert plays["answer"].tolist() == ["listened", "skipped"]
    assert plays["reward"].iloc[1] == 0
    assert plays["similarity"].tolist() == [play.similarity for play in session.plays]


def test_charts__stay_the_same_but_for_their_data(session: ListeningSession) -> None:
    pca_map = PcaMap.of(session.dynamics.catalogue)

    def specification() -> str:
        charts = map_chart(pca_map, session), time_chart(session)
        return json.dumps([{key: value for key, value in chart.items() if key != "datasets"} for chart in charts])

    before = specification()
    session.listened()
    assert specification() == before  # so that the browser only swaps the data


def test_pca_map__is_the_principal_component_analysis(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    expected = PCA(2).fit(small.features.astype(np.float64))
    cosines = np.abs((pca_map.axes * expected.components_).sum(axis=1))
    np.testing.assert_allclose(cosines, 1, atol=1e-4)
    inside = small.features[(np.abs(expected.transform(small.features)) < 1).all(axis=1)]
    np.testing.assert_allclose(np.abs(pca_map.locate(inside)), np.abs(expected.transform(inside)), atol=1e-3)


def test_pca_map__keeps_everything_within_its_edges(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    far = pca_map.locate(1000 * small.features)
    assert (far >= pca_map.low - 1e-4).all()
    assert (far <= pca_map.high + 1e-4).all()


def test_pca_map__names_genres_and_directions(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    names = json.loads(pca_map.landscape)["names"]
    assert small.genres is not None
    heard_of = {name for name, member in zip(small.genre_names, small.genres.T, strict=True) if member.any()}
    for wide in (True, False):
        placed = [(one["name"], one["x"], one["y"]) for one in names if one["wide"] is wide]
        assert {name for name, *_ in placed} == heard_of
        assert len({(x, y) for _, x, y in placed}) == len(placed)
    assert all(end for direction in pca_map.directions for end in direction)


def test_pca_map__is_asked_for_by_what_is_in_it(small: Catalogue) -> None:
    pca_map = PcaMap.of(small)
    tracks = json.loads(pca_map.landscape)["tracks"]
    assert [track["track"] for track in tracks[:3]] == [small.label(track["id"]) for track in tracks[:3]]
    here = pca_map.locate(small.features[[track["id"] for track in tracks]])
    np.testing.assert_allclose([(track["x"], track["y"]) for track in tracks], here, atol=1e-4)
    assert pca_map.address == PcaMap.of(small).address != PcaMap.of(Catalogue.builtin(400, seed=8)).address


def test_pca_map__of_a_poor_catalogue() -> None:
    line = PcaMap.of(hand_made(np.arange(6, dtype=np.float32)[:, None]))
    assert "NaN" not in line.landscape.decode()
    same = PcaMap.of(hand_made(np.ones((6, 3), np.float32)))
    assert "NaN" not in same.landscape.decode()
    assert (same.low < same.high).all()


TITLE = "<script>alert('a&b')</script> **x** \"y\""


class Reader(HTMLParser):
    """Parses HTML as a browser would, into elements and text."""

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


def test_scales__lie_between_two_words() -> None:
    html = scales([("calm", "energetic"), (TITLE, TITLE)], [("your vibe", "red", [0.25, 1]), (TITLE, "blue", [0, 0.5])])
    assert 'left:25%;background:red"' in html
    assert "your vibe 25 %" in html
    assert "script" not in Reader(html).tags
    assert TITLE in Reader(html).text
