from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from spotify_gym.app.agents import references
from spotify_gym.app.export import links, to_csv
from spotify_gym.app.listening import ListeningSession, dynamics_for_a_person
from spotify_gym.app.words import link_of
from spotify_gym.catalogue import TextColumn
from spotify_gym.session import make_dynamics
from tests.catalogues import hand_made

REAL = "0123456789abcdefghijAB"
TITLES = ["=SUM(A1)", 'He said "hi", twice', "two\nlines", "Ünïcode", "plain", "#EXTINF trick"]
IDS = [REAL, "../../etc/passwd", "http://example.com/x", "id3", "id4", "id5"]


@pytest.fixture
def session() -> ListeningSession:
    features = np.array([[1, 0], [2, 1], [1, 2], [3, 1], [1, 3], [5, 4]], np.float32)
    catalogue = replace(hand_made(features, TITLES), track_ids=TextColumn.of(IDS), artists=TextColumn.of(["A;B"] * 6))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, history_length=2))
    session = ListeningSession(dynamics, references(dynamics)[0], [0, 1])
    session.listened()
    session.skip()
    session.listened()
    return session


def test_csv__holds_every_answer_and_no_formula(session: ListeningSession) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(session).removeprefix("\ufeff"))))
    assert [row["answer"] for row in rows] == ["start", "start", "listened", "skipped", "listened"]
    assert rows[0]["title"] == "'=SUM(A1)"
    assert rows[1]["title"] == 'He said "hi", twice'
    assert rows[0]["artists"] == "A, B"
    assert rows[0]["link"] == f"https://open.spotify.com/track/{REAL}"
    assert rows[1]["link"] == ""
    assert float(rows[2]["similarity"]) == pytest.approx(session.plays[0].similarity, abs=1e-4)


def test_csv__begins_with_the_mark_that_spreadsheets_want(session: ListeningSession) -> None:
    assert to_csv(session).startswith("\ufeffposition,answer,")


def test_csv__takes_the_name_of_an_agent_for_no_formula_either(session: ListeningSession) -> None:
    session.agent = replace(references(session.dynamics)[0], name="=1+1")
    session.undo()
    session.listened()
    assert list(csv.DictReader(io.StringIO(to_csv(session).removeprefix("\ufeff"))))[-1]["agent"] == "'=1+1"


def test_links__are_given_where_the_id_looks_real(session: ListeningSession) -> None:
    assert links(session) == [f"https://open.spotify.com/track/{REAL}"]
    assert link_of(session.dynamics.catalogue, 2) is None
