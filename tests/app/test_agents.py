"""Agents: opening runs, explanations, differences between agents, the shipped model."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest

from spotify_gym import Catalogue, CatalogueError
from spotify_gym.app import agents
from spotify_gym.app.agents import EXPECTED, Learned, references
from spotify_gym.app.app_state import SHIPPED_RUN, AppState
from spotify_gym.app.compare_view import findings
from spotify_gym.app.explanation import Profile, similarity_shares
from spotify_gym.app.listening import Agent, ListeningSession, dynamics_for_a_person
from spotify_gym.app.start_view import surprise_start
from spotify_gym.app.words import words_for
from spotify_gym.catalogue import FEATURE_NAMES
from spotify_gym.session import SessionDynamics, make_dynamics
from spotify_gym.training import Run, RunError, TrainConfig, recommend, train
from spotify_gym.training.tensors import read_tensors, write_tensors
from tests.app.conftest import barely_trained
from tests.catalogues import hand_made
from tools.shipped_model import CONFIG, main


def test_nearest__ranks_by_expected_reward(session: ListeningSession, dynamics: SessionDynamics) -> None:
    offers = session.offers_of(references(dynamics)[0])
    half = [
        (session.similarity(offer.track) + offer.similarity) / 2 for offer in offers
    ]  # vibe and seed vibe are still equal
    assert [offer.score for offer in offers] == pytest.approx([value - dynamics.baseline for value in half], abs=1e-5)
    assert [offer.score for offer in offers] == sorted((offer.score for offer in offers), reverse=True)
    everything = [session.similarity(track) for track in range(len(dynamics.catalogue)) if track not in session.start]
    assert offers[0].similarity == pytest.approx(max(everything))


def test_popular__goes_down_the_charts(session: ListeningSession, dynamics: SessionDynamics) -> None:
    popularity = dynamics.catalogue.popularity
    assert popularity is not None
    offers = session.offers_of(references(dynamics)[1])
    assert offers[0].score == np.delete(popularity, session.start).max()


def test_interrupted_run__is_said_to_have_learned_for_the_sessions_it_played(run_folder: Path, tmp_path: Path) -> None:
    stopped = copytree(run_folder, tmp_path / "stopped")
    saved = read_tensors(stopped / "weights.safetensors")
    write_tensors(stopped / "weights.safetensors", saved._replace(facts={"steps": 60}))
    assert "in 3 sessions of SpotifyPlaylist-v0" in AppState.open([stopped]).agents["DQN (Playlist)"].about


def test_random__answers_alike_about_the_same_session(session: ListeningSession, dynamics: SessionDynamics) -> None:
    chance = references(dynamics)[-1]
    before = chance.rank(session, 10)
    assert chance.rank(session, 10) == before
    session.listened()
    assert chance.rank(session, 10) != before


def test_references__leave_out_the_charts_where_nobody_knows_them() -> None:
    dynamics = dynamics_for_a_person(make_dynamics(hand_made(np.eye(6, dtype=np.float32))))
    assert [agent.name for agent in references(dynamics)] == ["Nearest", "Random"]


def test_learned__ranks_as_recommend_does(app_state: AppState) -> None:
    trained: Agent = app_state.agents["DQN (Playlist)"]
    start = [10, 20, 30, 40, 50]
    offers = ListeningSession(app_state.dynamics, trained, start).offers()
    expected = recommend(trained.run, start, top=len(offers))  # type: ignore[attr-defined]
    assert [offer.track for offer in offers] == [suggestion.track for suggestion in expected]
    assert [offer.score for offer in offers] == pytest.approx([suggestion.value for suggestion in expected])


def test_every_agent__says_why_by_what_it_goes_by(app_state: AppState) -> None:
    session = ListeningSession(app_state.dynamics, app_state.agents["Nearest"], [10, 20, 30, 40, 50])
    said = {name: agent.why(session, session.offers_of(agent)) for name, agent in app_state.agents.items()}
    assert said["Random"].startswith("Chosen at random")
    assert "Popularity 100" in said["Popular"]
    assert "your vibe" in said["Nearest"]
    assert said["DQN (Playlist)"].startswith("Expects")
    assert "more than with the runner-up." in said["DQN (Playlist)"]


def test_learned__divides_the_margin_among_the_features() -> None:
    config = TrainConfig("builtin:400", steps=64, n_envs=4, learning_starts=8, env="SpotifyPlaylist-v0")
    run = train(config)
    dynamics = dynamics_for_a_person(make_dynamics(run.catalogue, repeats=False, reward={"flow": 0.5, "fit": 0.5}))
    learned = Learned("it", "", EXPECTED, dynamics, run)
    session = ListeningSession(dynamics, learned, [10, 20, 30, 40, 50])
    first, second = session.offers()[:2]
    shares = learned.feature_shares(session, first.track, second.track)
    assert shares is not None
    assert shares.sum() == pytest.approx(first.score - second.score, abs=1e-5)
    assert "For it: " in learned.why(session, [first, second])


def test_planner_that_learned__keeps_to_its_plan_and_comes_back_to_it(
    app_state: AppState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ranked(run: Run, dynamics: SessionDynamics, seen: object, played: np.ndarray, k: int, plans: int) -> object:
        left = np.setdiff1d(np.arange(99), played)
        return left, np.full(len(left), plans, np.float32)

    monkeypatch.setattr(agents, "plans_of", lambda run, seen, played, before: (before or 0) + 1)
    monkeypatch.setattr(agents, "best_tracks", ranked)
    session = ListeningSession(app_state.dynamics, app_state.agents["DQN (Playlist)"], [10, 20, 30, 40, 50])
    for n_plans in (1, 2, 3):  # each plan improves the one before
        assert session.offers()[0].score == n_plans
        session.listened()
    before = session.offers()
    assert session.after(heard=False).offers()[0].score == 5
    session.skip()
    session.offers()
    session.undo()
    assert session.offers() == before
    assert before[0].score == 4


def test_every_agent__ranks_fewer_where_fewer_are_left(small: Catalogue) -> None:
    catalogue = small.take(np.arange(8))
    dynamics = dynamics_for_a_person(make_dynamics(catalogue, repeats=False))
    for agent in references(dynamics):
        ranking = agent.rank(ListeningSession(dynamics, agent, range(5)), 10)
        assert sorted(track for track, _ in ranking) == [5, 6, 7]


@pytest.fixture
def profile() -> Profile:
    """Features of mean 0 and standard deviation 1, spread evenly between −2 and 2."""
    d = len(FEATURE_NAMES)
    quantiles = np.tile(np.linspace(-2, 2, 101, dtype=np.float32)[:, None], d)
    return Profile(tuple(map(words_for, FEATURE_NAMES)), np.zeros(d, np.float32), np.ones(d, np.float32), quantiles)


def point(**features: float) -> np.ndarray:
    return np.array([features.get(name, 0.0) for name in FEATURE_NAMES], np.float32)


def test_similarity_shares__sum_to_the_similarity() -> None:
    shares = similarity_shares(point(energy=3, tempo=4), point(energy=4, tempo=3))
    assert shares.sum() == pytest.approx(24 / 25)
    assert shares[FEATURE_NAMES.index("energy")] == pytest.approx(12 / 25)
    assert similarity_shares(point(), point(energy=0.5)).sum() == 0


def test_likeness__is_said_in_words(profile: Profile) -> None:
    loud = profile.likeness(point(energy=1, loudness=1), point(energy=1.2, loudness=3))
    assert loud == "Loud and energetic, like your vibe; even louder."
    led = profile.likeness(point(energy=-1, tempo=-0.2), point(energy=-1, valence=2))
    assert led == "Calm, like your vibe; more cheerful."
    assert profile.likeness(point(energy=1), point(energy=-1)) == "Little in common with your vibe; calmer."
    assert profile.likeness(point(), point(energy=0.5)) == "Little in common with your vibe."


def test_balance__says_what_speaks_for_and_against(profile: Profile) -> None:
    said = profile.balance(point(energy=2, valence=-1), point(energy=0.25, valence=-0.125))
    assert said == ("For it: more energetic (+0.250). Against it: more sombre (−0.125).")
    assert profile.balance(point(energy=1), point()) == ""


def test_differences__leave_out_what_is_close(profile: Profile) -> None:
    assert profile.differences(point(), point(energy=0.5)) == []
    assert profile.differences(point(), point(energy=-1, tempo=1.5, valence=9)) == ["more cheerful", "faster"]


def test_profile__counts_the_share_below(profile: Profile) -> None:
    assert profile.share_below(point(energy=1))[FEATURE_NAMES.index("energy")] == pytest.approx(0.75, abs=0.01)
    assert profile.share_below(point(energy=99))[FEATURE_NAMES.index("energy")] == 1
    assert profile.describe(point(energy=-2, tempo=1, valence=0.1)) == "calm and fast"


def test_profile__measures_a_catalogue(small: Catalogue) -> None:
    profile = Profile.of(small)
    np.testing.assert_allclose(profile.standing(small.features.mean(axis=0)), 0, atol=1e-5)
    shares = np.array([profile.share_below(track) for track in small.features])
    np.testing.assert_allclose(shares.mean(axis=0), 0.5, atol=0.02)


def test_words__exist_for_every_feature_and_for_strangers() -> None:
    assert len({words_for(name).high for name in FEATURE_NAMES}) == len(FEATURE_NAMES)
    assert words_for("crunch").high == "high in crunch"


def test_findings__tell_agents_apart_and_leave_the_session_alone(
    session: ListeningSession, dynamics: SessionDynamics
) -> None:
    session.listened()
    before = session.to_json()
    nearest, popular, _ = references(dynamics)
    text = " ".join(findings(session, *((agent, session.offers_of(agent)) for agent in (nearest, popular))))
    assert session.to_json() == before
    assert "Nearest stays closer to your vibe now" in text
    assert "where you started" in text
    assert "Popular picks the better known track" in text
    alike = findings(session, *[(nearest, session.offers())] * 2)
    assert alike == ["They agree on 10 of their 10 best tracks.", "Both would play the same track now."]
    assert findings(session, (nearest, []), (popular, [])) == ["Nothing is left to play."]


# Opening runs.


def test_open__seats_a_person_in_the_environment_of_the_run(app_state: AppState) -> None:
    assert list(app_state.agents) == ["DQN (Playlist)", "Nearest", "Popular", "Random"]
    assert app_state.length == 20
    assert not app_state.dynamics.repeats
    assert app_state.dynamics.reward == {"flow": 0.5, "fit": 0.5}
    assert "4 sessions" in app_state.agents["DQN (Playlist)"].about


def test_open__plays_a_tiny_catalogue_to_its_end(small: Catalogue) -> None:
    app_state = AppState.open(catalogue=small.take(np.arange(8)))
    session = ListeningSession(app_state.dynamics, app_state.agents["DoubleDQN (Playlist)"], [0, 1, 2, 3, 4])
    for left in (3, 2, 1, 0):
        assert len(session.offers()) == left
        session.listened()
    assert sorted(session.heard) == list(range(8))


def test_open__names_what_is_missing_or_does_not_fit(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        AppState.open([tmp_path])
    with pytest.raises(CatalogueError, match="file not found"):
        AppState.open([run_folder], tmp_path / "none.csv")
    with pytest.raises(ValueError, match="fingerprint"):  # one output per track: no other catalogue
        AppState.open([run_folder], "builtin:500")
    with pytest.raises(RunError, match="no/such/run cannot play beside"):
        AppState.open([SHIPPED_RUN, "no/such/run"], "builtin:500")


@pytest.fixture(scope="module")
def decayed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with other tracks, another scaling and other state blocks than `run_folder`."""
    folder = tmp_path_factory.mktemp("runs") / "decayed"
    return barely_trained(folder, "builtin:200", scaling="minmax", state="mean+decayed+responses", algorithm="dueling")


def trained(folders: list[Path]) -> list[Learned]:
    agents = AppState.open(folders).agents.values()
    return [agent for agent in agents if isinstance(agent, Learned)]


def test_open__names_each_after_what_it_is_and_says_what_it_is(run_folder: Path, decayed: Path) -> None:
    first, second = trained([run_folder, decayed])
    assert (first.name, second.name) == ("DQN (Playlist)", "DuelingDQN (Playlist)")
    assert "4 sessions of SpotifyPlaylist-v0 (algorithm dqn, policy mlp, state mean, seed 0)" in first.about
    assert "(algorithm dueling, policy catalogue, state mean+decayed+responses, seed 0)" in second.about


def test_open__tells_folders_of_one_name_apart(run_folder: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "seed0", tmp_path / "b" / "seed0", tmp_path / "seed1", tmp_path / "Nearest"]
    for folder in folders:
        folder.parent.mkdir(exist_ok=True)
        folder.mkdir()
        for file in run_folder.iterdir():
            if file.is_file():
                (folder / file.name).write_bytes(file.read_bytes())
    names = [agent.name for agent in trained(folders)]
    assert names == [f"DQN (Playlist, {folder})" for folder in ("a/seed0", "b/seed0", "seed1", "Nearest")]
    assert [agent.name for agent in trained([folders[0], tmp_path / "a" / "." / "seed0"])] == ["DQN (Playlist)"]


def test_open__lets_a_run_play_in_sessions_that_are_measured_otherwise(run_folder: Path, decayed: Path) -> None:
    """Opened with another run, it plays the same as when opened alone with the same tracks."""
    beside = AppState.open([run_folder, decayed])
    alone = AppState.open([decayed], beside.catalogue)
    assert not alone.catalogue.scaling.equals(beside.catalogue.scaling)
    sessions = [
        ListeningSession(s.dynamics, s.agents["DuelingDQN (Playlist)"], [10, 20, 30, 40, 50]) for s in (beside, alone)
    ]
    for answer in ("listened", "skip", "listened", "listened"):
        ours, theirs = (session.offers() for session in sessions)
        assert [offer.track for offer in ours] == [offer.track for offer in theirs]
        assert [offer.score for offer in ours] == pytest.approx([offer.score for offer in theirs], abs=1e-4)
        for session in sessions:
            getattr(session, answer)()


@pytest.mark.parametrize(
    ("env", "state"),
    [("SpotifySkip-v0", "mean+responses"), ("SpotifyTaste-v0", "taste"), ("SpotifySatiation-v0", "mean+decayed")],
)
def test_open__lets_a_run_of_another_environment_play(
    run_folder: Path, table: Path, tmp_path: Path, env: str, state: str
) -> None:
    """It sees the session as in its own environment, including the listener."""
    other = barely_trained(tmp_path / "other", table, env=env, state=state)
    beside, alone = AppState.open([run_folder, other]), AppState.open([other], table)
    name = next(iter(alone.agents))
    sessions = [ListeningSession(s.dynamics, s.agents[name], [10, 20, 30, 40, 50]) for s in (beside, alone)]
    for answer in ("listened", "skip", "listened"):
        for session in sessions:
            getattr(session, answer)()
        assert [offer.track for offer in sessions[0].offers()] == [offer.track for offer in sessions[1].offers()]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"history_length": 3}, "mean of 3 tracks, but in these sessions it is of 5"),
        ({"policy": "mlp"}, "one output per track"),
        ({"catalogue": "two.arrow"}, "trained on features other than acousticness, danceability"),
    ],
)
def test_open__refuses_what_does_not_fit_the_first_and_names_it(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hand_made(np.random.default_rng(0).random((50, 2)).astype(np.float32)).save("two.arrow")
    other = barely_trained(Path("other"), **{"catalogue": "builtin:200", **settings})
    with pytest.raises(RunError) as refusal:
        AppState.open([run_folder, other])
    message = str(refusal.value)
    assert message.startswith(f"{other} cannot play beside {run_folder}: ")
    assert said in message


@pytest.fixture(scope="module")
def small_app_state() -> AppState:
    """The shipped model over a catalogue that it did not learn from."""
    return AppState.open(catalogue="builtin:5000")


def test_shipped_model__is_small_and_what_its_command_makes() -> None:
    assert sum(file.stat().st_size for file in SHIPPED_RUN.iterdir()) < 1_000_000
    config = TrainConfig.from_json(json.loads((SHIPPED_RUN / "config.json").read_text()))
    assert config == CONFIG, "the settings have changed: run python -m tools.shipped_model"


def test_shipped_model__plays_nearly_as_well_as_one_who_knows_the_rules(small_app_state: AppState) -> None:
    def earned(agent: str) -> float:
        total = 0.0
        for seed in range(10):
            start = surprise_start(small_app_state.catalogue, 5, seed)
            session = ListeningSession(small_app_state.dynamics, small_app_state.agents[agent], start)
            for _ in range(20):
                session.listened()
            total += session.earned
        return total / 10

    assert earned("Random") < 0.2 * earned("Nearest") < 0.95 * earned("Nearest") < earned("DoubleDQN (Playlist)")


def test_shipped_model__says_nothing_of_the_machine_it_came_from() -> None:
    told = (SHIPPED_RUN / "meta.json").read_text() + (SHIPPED_RUN / "config.json").read_text()
    assert "/" not in told


@pytest.mark.slow
def test_shipped_model__can_be_made_again_to_the_last_bit(tmp_path: Path) -> None:
    for name in ("one", "other"):
        main(tmp_path / name)
    one, other = (read_tensors(tmp_path / name / "weights.safetensors").arrays for name in ("one", "other"))
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
