"""Human-made playlists: reading, seeding, ranking, and the command end to end."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from experiments.playlists import MEASURES, RANKERS, Playlists, Ranking, judge, read_playlists
from spotify_gym import Catalogue
from spotify_gym.cli.command import run_command
from tests.catalogues import hand_made, real_table

ROWS = "playlist_id,track_id\nb,id3\na,id0\nb,id1\nb,unheard of\nb,id3\na,id2\nb,id0\n"


@pytest.fixture
def compass() -> Catalogue:
    """Tracks on a circle, one degree apart."""
    angles = np.radians(np.arange(90))
    return hand_made(np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32))


def test_read__keeps_the_order_and_the_first_of_what_stands_twice(compass: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("\ufeff" + ROWS)
    lists = read_playlists(tmp_path / "lists.csv", compass, shortest=2)
    assert {name: tracks.tolist() for name, tracks in lists.items()} == {"b": [3, 1, 0], "a": [0, 2]}
    assert list(read_playlists(tmp_path / "lists.csv", compass, shortest=3)) == ["b"]


def test_read__finds_tracks_by_link_and_says_what_it_leaves_out(compass: Catalogue, tmp_path: Path) -> None:
    rows = "playlist_id,track_id\na,spotify:track:id0\na,\na,https://open.spotify.com/track/id2?si=1\n,id3\n"
    (tmp_path / "lists.csv").write_text(rows)
    said: list[str] = []
    lists = read_playlists(tmp_path / "lists.csv", compass, shortest=2, say=said.append)
    assert {name: tracks.tolist() for name, tracks in lists.items()} == {"a": [0, 2]}
    assert said == [f"{tmp_path / 'lists.csv'}: left out: 2 × no playlist or no track (row 2, 4)"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("playlist_id,song\na,b\n", "no column 'track_id'"),
        ("playlist_id,track_id\na,nothing here\n", r"0 of its 1 entries are in that catalogue"),
        ("", "is empty"),
    ],
)
def test_read__says_what_is_wrong_with_the_file(compass: Catalogue, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "lists.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_playlists(tmp_path / "lists.csv", compass, shortest=2)


def test_judge__nearest_finds_all_of_a_playlist_that_keeps_its_direction(compass: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=1, catalogue=compass, history_length=3, repeats=False).unwrapped
    playlist = np.array([40, 42, 44, 43, 41])  # starts at 42 on average
    assert judge(RANKERS["nearest"], env, playlist) == dict.fromkeys(MEASURES, 1.0)


def test_judge__random_has_its_expected_value(compass: Catalogue) -> None:
    env = gym.make_vec("SpotifySession-v0", num_envs=1, catalogue=compass, history_length=3).unwrapped
    found = judge(RANKERS["random"], env, np.array([7, 80, 3, 50]))
    assert found["AUC"] == pytest.approx(0.5)
    assert found["R-precision"] == pytest.approx(1 / 87)  # one track to find among those that do not start


def test_unknown_popularity__is_no_rank(compass: Catalogue) -> None:
    """If all known popularities are equal, playlists of tracks with known popularity rank no better than chance."""
    popularity = np.full(90, np.nan, np.float32)
    popularity[30:45] = 50
    object.__setattr__(compass, "popularity", popularity)
    env = gym.make_vec("SpotifySession-v0", num_envs=1, catalogue=compass, history_length=3).unwrapped
    playlist = np.array([30, 40, 35, 33, 44, 38])
    assert judge(RANKERS["popular"], env, playlist)["AUC"] == pytest.approx(0.5)
    both, near = (judge(RANKERS[name], env, playlist) for name in ("nearest + popularity", "nearest"))
    assert both == near


def test_command__compares_a_learner_with_the_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    ids = Catalogue.builtin(300).track_ids
    rows = [(f"list {i}", ids[track]) for i in range(6) for track in rng.choice(300, 12, replace=False)]
    table = tmp_path / "lists.csv"
    pd.DataFrame(rows, columns=["playlist_id", "track_id"]).to_csv(table, index=False)
    (tmp_path / "again.csv").write_bytes(table.read_bytes())
    arguments = ["--catalogue", "builtin:300", "--playlists", str(table), str(tmp_path / "again.csv")]
    arguments += ["--steps", "64", "--learning-starts", "32"]
    arguments += ["--n-seeds", "2", "--jobs", "1", "--out", str(tmp_path / "out")]
    assert run_command(Playlists, "playlists", arguments) == 0
    shown, told = capsys.readouterr()
    assert "popularity is known of 300 of 300 tracks" in told
    for file in ("lists.csv", "again.csv"):
        assert f"{file}: 6 playlists, 300 tracks, 300 of known popularity" in shown
    assert "nearest + popularity" in shown
    assert "Double DQN, γ = 0.9 does not differ significantly from nearest in NDCG@500" in shown
    results = pd.read_parquet(tmp_path / "out" / "results.parquet")
    assert results.groupby(["method", "seed"]).size().eq(12).all()
    assert results[list(MEASURES)].stack().between(0, 1).all()
    assert (tmp_path / "out" / "playlists.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--playlists", "nowhere.csv"], "nowhere.csv"),
        (["--shortest", "5"], "shortest=5 must be more than history_length=5"),
        ([], "builtin"),
    ],
)
def test_command__answers_a_mistake_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(Playlists, "playlists", ["--catalogue", "builtin:300", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_read__real_table_has_its_playlists() -> None:
    path = real_table("spotify_songs.csv")
    lists = read_playlists(path, Catalogue.read(path), shortest=10)
    assert len(lists) == 460
    assert all(len(np.unique(tracks)) == len(tracks) for tracks in lists.values())


# Ranking measures: by hand, over all orders of ties, and against scikit-learn.

TIED = ([3, 2, 2, 1, 2], [1, 4, 3])
"""Scores, and relevant tracks; three scores are tied."""


def test_measures__by_hand() -> None:
    ranking = Ranking.of([0.9, 0.1, 0.8, 0.2, 0.7, 0.6], relevant=[0, 4, 3])  # on ranks 1, 3 and 5 of 6
    assert ranking.r_precision() == pytest.approx(2 / 3)
    assert ranking.recall(1) == pytest.approx(1 / 3)
    assert ranking.recall(5) == ranking.recall(500) == 1
    assert ranking.auc() == pytest.approx(1 - (0 + 1 + 2) / 9)
    gain, ideal = 1 + 1 / 2 + 1 / np.log2(6), 1 + 1 / np.log2(3) + 1 / 2
    assert ranking.ndcg() == pytest.approx(gain / ideal)
    assert ranking.ndcg(k=2) == pytest.approx(1 / (1 + 1 / np.log2(3)))


def test_measures__of_the_best_and_the_worst_ranking() -> None:
    best, worst = (Ranking.of(sign * np.arange(10), relevant=[8, 9]) for sign in (1, -1))
    assert (best.r_precision(), best.recall(2), best.ndcg(), best.auc()) == (1, 1, 1, 1)
    assert (worst.r_precision(), worst.recall(8), worst.auc()) == (0, 0, 0)


def test_measures__ignore_who_is_excluded() -> None:
    scores = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    ranking = Ranking.of(scores, relevant=[0, 2, 2, 4], excluded=[0, 1, 1])
    alone = Ranking.of(scores[2:], relevant=[0, 2])
    assert ranking.n_relevant == 2
    assert ranking.n_candidates == 3
    assert (ranking.ndcg(), ranking.auc()) == (alone.ndcg(), alone.auc())


def test_ties__give_the_mean_over_all_their_orders() -> None:
    tied = Ranking.of(*TIED)
    broken = [Ranking.of([9, order[0], order[1], 1, order[2]], TIED[1]) for order in permutations([2, 3, 4])]
    for k in range(1, 6):
        assert tied.recall(k) == pytest.approx(np.mean([ranking.recall(k) for ranking in broken]))
        assert tied.ndcg(k) == pytest.approx(np.mean([ranking.ndcg(k) for ranking in broken]))
    assert tied.r_precision() == pytest.approx(np.mean([ranking.r_precision() for ranking in broken]))
    assert tied.auc() == pytest.approx(np.mean([ranking.auc() for ranking in broken]))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30), st.integers(1, 30))
def test_measures__equal_scikit_learns(tracks: list[tuple[int, bool]], k: int) -> None:
    scores, relevant = np.array(tracks).T
    if relevant.all() or not relevant.any():
        return
    ranking = Ranking.of(scores, np.flatnonzero(relevant))
    assert ranking.auc() == pytest.approx(roc_auc_score(relevant, scores))
    assert ranking.ndcg() == pytest.approx(ndcg_score([relevant], [scores]))
    assert ranking.ndcg(k) == pytest.approx(ndcg_score([relevant], [scores], k=k))


def test_auc__of_equal_scores_is_a_half() -> None:
    assert Ranking.of(np.zeros(100, np.float32), relevant=[3, 50]).auc() == 0.5


def test_ranking__takes_infinite_scores() -> None:
    assert Ranking.of([-np.inf, 1.0, np.inf], relevant=[2]).ndcg() == 1


@pytest.mark.parametrize(
    ("scores", "relevant", "excluded", "message"),
    [
        ([1.0, np.nan], [0], [], "1 of 2 scores are not a number"),
        ([1.0, 2.0], np.array([], int), [], "no relevant track is left"),
        ([1.0, 2.0], [1], [1], "no relevant track is left"),
    ],
)
def test_ranking__refuses_what_cannot_be_ranked(scores, relevant, excluded, message) -> None:
    with pytest.raises(ValueError, match=message):
        Ranking.of(scores, relevant, excluded)


def test_auc__needs_tracks_that_are_not_relevant() -> None:
    with pytest.raises(ValueError, match="AUC needs one that is not"):
        Ranking.of([1.0, 2.0], [0, 1]).auc()
