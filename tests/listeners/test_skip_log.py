from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest

from spotify_gym.listeners.facts import simulate
from spotify_gym.listeners.logged import LoggedListener
from spotify_gym.listeners.skip_log import LogError, read_log, write_log
from tests.catalogues import hand_made, real_table


def table(**changes):
    """Return a table of two sessions of three and two plays; the first session skips its second track."""
    columns = {
        "session_id": ["a", "a", "a", "b", "b"],
        "session_position": [1, 2, 3, 1, 2],
        "session_length": [3, 3, 3, 2, 2],
        "track_id_clean": ["t1", "t2", "t3", "t1", "t1"],
        "skip_1": [False, True, False, False, False],
        "skip_2": [False, True, False, False, False],
        "skip_3": [False, True, True, False, False],
        "not_skipped": [True, False, False, True, True],
        "hour_of_day": [16] * 5,
    }
    return pd.DataFrame(columns | changes)


@pytest.fixture
def refusal(tmp_path):
    """Return a function that writes a table and returns the message with which it is refused."""

    def write(frame):
        frame.to_csv(tmp_path / "log.csv", index=False)
        with pytest.raises(LogError) as complaint:
            read_log(tmp_path / "log.csv")
        return str(complaint.value)

    return write


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet"])
def test_read_log__reads_every_format(tmp_path, name):
    frame = table()
    frame.to_parquet(tmp_path / name) if name.endswith("parquet") else frame.to_csv(tmp_path / name, index=False)
    log = read_log(tmp_path / name)
    np.testing.assert_array_equal(log.grade, [[0, 3, 1], [0, 0, -1]])
    np.testing.assert_array_equal(log.played, [[True, True, True], [True, True, False]])
    assert (len(log), log.n_plays) == (2, 5)


def test_read_log__does_not_mind_the_order_of_rows(tmp_path):
    table().sample(frac=1, random_state=1).to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv")
    assert sorted((log.grade >= 2).sum(axis=1)) == [0, 1]
    assert sorted(log.played.sum(axis=1)) == [2, 3]


@pytest.mark.parametrize("truth", [["0", "1", "0", "0", "0"], ["false", " TRUE", "False", "FALSE", "false"]])
def test_read_log__reads_truth_however_it_is_spelt(tmp_path, truth):
    table(skip_1=truth).to_csv(tmp_path / "log.csv", index=False)
    assert read_log(tmp_path / "log.csv").grade[0].tolist() == [0, 3, 1]


def test_read_log__takes_a_log_cut_off_at_its_end(tmp_path):
    table().iloc[:4].to_csv(tmp_path / "log.csv", index=False)
    assert read_log(tmp_path / "log.csv").played.sum(axis=1).tolist() == [3, 1]


def test_write_log__is_read_back(tmp_path, small):
    log, _ = simulate(LoggedListener(leave=(-2.0, -1.0)), small, 60, 8)
    write_log(log, tmp_path / "log.csv")
    again = read_log(tmp_path / "log.csv").joined(small)
    for name in ("grade", "tracks", "started", "ended"):
        np.testing.assert_array_equal(getattr(again, name), getattr(log, name), name)


PLAIN = """session,position,track,response,person,propensity
a,10,id1,completed,p,.5
a,20,id9,skipped,p,.25
b,1,id1,.05,,1
b,2,id0,.95,,1
b,3,id1,.6,,1
"""


def test_read_log__reads_a_plain_one(tmp_path):
    (tmp_path / "log.csv").write_text(PLAIN)
    log = read_log(tmp_path / "log.csv")
    assert log.grade.tolist() == [[0, 2, -1], [3, 0, 1]]
    assert log.propensity.tolist() == [[0.5, 0.25, -1], [1, 1, 1]]
    assert log.person.tolist() == ["p", "b"]
    assert log.ended.tolist() == [True, False]
    tracks = hand_made(np.eye(2, dtype=np.float32))
    assert log.joined(tracks).tracks.tolist() == [[1, -1, -1], [1, 0, 1]]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "skipped",
            "maybe",
            "response is not skipped, completed or a share from 0 to 1 (row 2), first 'maybe'",
        ),
        ("20", "10", "position is repeated in its session (row 1, 2)"),
        ("20", "x", "position is not a number (row 2), first 'x'"),
        (".25", "0", "propensity is not a probability above 0 and up to 1 (row 2)"),
    ],
)
def test_bad_row__of_a_plain_log_costs_its_session(tmp_path, old, new, said):
    (tmp_path / "log.csv").write_text(PLAIN.replace(old, new))
    log = read_log(tmp_path / "log.csv")
    assert log.session.tolist() == ["b"]
    assert said in log.left_out[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"skip_2": [False, "maybe", False, False, False]}, "skip_2 is neither true nor false (row 2), first 'maybe'"),
        ({"skip_2": [False, None, False, False, False]}, "skip_2 is neither true nor false (row 2), first nan"),
        ({"skip_2": [False] * 5}, "skip_2 contradicts the other flags"),
        ({"not_skipped": [True] * 5}, "skip_2 contradicts the other flags"),
        ({"session_position": [1, 2, 2, 1, 2]}, "session_position is repeated in its session, or"),
        (
            {"session_position": [1, 2, "x", 1, 2]},
            "is not a whole number from 1 to 1000 (row 3), first 'x'",
        ),
        (
            {"session_length": [3, 2.5, 3, 2, 2]},
            "session_length is not a whole number from 1 to 1000 (row 2), first 2.5",
        ),
        ({"session_position": [1, 2, 1e9, 1, 2]}, "session_position is not a whole number from 1 to 1000 (row 3)"),
        ({"session_length": [3, 3, 2, 2, 2]}, "session_position exceeds its session_length (row 3), first 3"),
        ({"session_id": ["a", "a", None, "b", "b"]}, "session_id is empty (row 3), first nan"),
    ],
)
def test_bad_row__costs_its_session_and_is_said(tmp_path, changes, said):
    table(**changes).to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv")
    assert log.grade[-1, :2].tolist() == [0, 0]
    assert log.n_plays == (4 if "session_id" in changes else 2)
    (left_out,) = log.left_out
    assert said in left_out
    assert "\n" not in left_out


def test_bad_rows__in_every_session_are_refused(refusal):
    message = refusal(table(session_position=[0, 1, 2, 0, 1]))
    assert "has a bad row: 2 × session_position is not a whole number" in message
    assert "\n" not in message


def test_line_of_too_many_columns__is_left_out(tmp_path):
    text = table().to_csv(index=False).replace("b,1,2,t1", "b,1,2,t1,", 1)
    (tmp_path / "log.csv").write_text(text)
    log = read_log(tmp_path / "log.csv")
    assert len(log) == 1
    assert log.left_out[0] == "1 × too many columns (line 5)"


def test_folder_of_parts__is_one_log(tmp_path):
    (tmp_path / "log").mkdir()
    for number, rows in enumerate((table().iloc[:4], table().iloc[4:])):
        rows.to_csv(tmp_path / "log" / f"part-{number}.csv.gz", index=False)
    (tmp_path / "log" / "_SUCCESS").touch()
    assert read_log(tmp_path / "log").grade.tolist() == [[0, 3, 1], [0, 0, -1]]


def test_line_as_wide_as_a_page__is_refused_at_once(tmp_path):
    (tmp_path / "log.csv").write_text("session,position,track,response\n" + 2_000_000 * "a,")
    with pytest.raises(LogError, match="a line has more than 1,000 commas"):
        read_log(tmp_path / "log.csv")


def test_log_of_one_bad_row__is_read_without_it():
    log = read_log(real_table("odd/onerow.csv"))
    assert (len(log), log.n_plays) == (199, 1990)
    assert "1 × skip_2 contradicts the other flags" in log.left_out[0]


def test_log__is_opened_for_what_it_is_whatever_its_name(tmp_path):
    (tmp_path / "log.tar.gz").write_bytes(gzip.compress(table().to_csv(index=False).encode()))
    assert len(read_log(tmp_path / "log.tar.gz")) == 2
    with pytest.raises(LogError, match=r"has no column session_position, .*; a skip log has") as refused:
        read_log(real_table("odd/log.tar.gz"))
    assert "\n" not in str(refused.value)


def test_play_without_a_track__drops_its_session(tmp_path):
    table(track_id_clean=["t1", None, "t3", "t1", "t1"]).to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv")
    assert len(log) == 1
    assert "1 × track_id_clean is empty (row 2)" in log.left_out[0]


def test_malformed_log__without_a_column_or_rows(refusal):
    assert "has no column session_length, skip_1" in refusal(table().drop(columns=["session_length", "skip_1"]))
    assert "has no rows" in refusal(table().iloc[:0])


@pytest.mark.parametrize("name", ["missing.csv", "empty.csv", "noise.parquet", "noise.gz", "log.xlsx", "folder.csv"])
def test_malformed_log__that_cannot_be_read(tmp_path, name):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "noise.parquet").write_bytes(b"\x00\x01noise")
    (tmp_path / "noise.gz").write_bytes(b"\x00\x01noise")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(LogError, match=name):
        read_log(tmp_path / name)


def test_split__holds_out_the_same_sessions_whatever_their_order(small):
    log, _ = simulate(LoggedListener(), small, 500, 2)
    train, test = log.split()
    assert 75 < len(test) < 130
    assert {*train.session} | {*test.session} == {*log.session}
    assert {*log.take(np.arange(500)[::-1]).split()[1].session} == {*test.session}


def test_long_log__is_drawn_from(tmp_path):
    table().to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv", max_sessions=1)
    assert (len(log), log.left_out) == (1, ("1 sessions beyond 1, drawn at random",))
