"""The studies end to end: how a new one is written, what each measures, and one-line error messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from experiments.compare import Report
from experiments.generalization import ELSEWHERE, HERE, LEARNED, OTHER, UNSEEN, Generalization, TravelCase
from experiments.lib import SCALE, Case, Study
from experiments.references import References
from experiments.regret import PLACES, Regret, WatchedCase
from experiments.sample_efficiency import CurveCase, SampleEfficiency, first_for_good
from experiments.states import SILENT, States
from experiments.tune import SPACE, Tune
from spotify_gym import Catalogue
from spotify_gym.cli.command import Command, run_command
from spotify_gym.listeners import LoggedListener
from spotify_gym.policies import BeliefPolicy, NearestSeenPolicy
from spotify_gym.training import TrainConfig, evaluate, train


def run(kind: type[Command], out: Path, *arguments: str) -> int:
    """Run a command on few tracks, with two short trainings per method; ``arguments`` override these settings."""
    quick = ["--catalogue", "builtin:300", "--out", str(out), "--jobs", "1"]
    if issubclass(kind, Study):
        quick += ["--steps", "64", "--learning-starts", "32", "--n-seeds", "2", "--n-sessions", "3"]
    return run_command(kind, kind.__name__.lower(), [*quick, *arguments])


@dataclass(frozen=True)
class Discounts(Study):
    """How far to look ahead."""

    gammas: tuple[float, ...] = (0.0, 0.9)
    """Discounts to try."""

    def methods(self) -> Iterator[Case]:
        for gamma in self.gammas:
            yield Case(f"γ = {gamma:g}", replace(self.config, gamma=gamma))


@pytest.fixture(scope="module")
def discounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of `Discounts`, which was run for one method first and then resumed for all."""
    folder = tmp_path_factory.mktemp("discounts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["discounts.py", "--catalogue", "/home/me/songs.csv"])
        patch.setattr(sys.modules["__main__"], "__spec__", ModuleSpec("discounts", None))
        assert run(Discounts, folder, "--gammas", "0.9") == 0
        done = {file: file.stat().st_mtime_ns for file in (folder / "cases").iterdir()}
        assert run(Discounts, folder) == 0
    assert len(list((folder / "cases").iterdir())) == len(done) + 2  # two new cases; the finished ones are kept
    assert all(file.stat().st_mtime_ns == written for file, written in done.items())
    return folder


def test_study__takes_one_method_and_gives_a_row_per_session_and_a_page(discounts: Path) -> None:
    rows = pd.read_parquet(discounts / "results.parquet")
    assert rows.groupby(["method", "seed"]).size().eq(3).all()
    assert set(rows["method"]) == {"fixed", "nearest", "planner", "γ = 0", "γ = 0.9"}
    assert rows.loc[rows["method"] == "planner", "skill"].mean() == pytest.approx(1)
    page = (discounts / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "- command: python -m discounts --catalogue songs.csv\n" in (discounts / "report.md").read_text()


def test_report__is_made_anew_from_the_results_alone_and_says_what_differs(
    discounts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (discounts / "report.md").read_text()
    (discounts / "report.md").unlink()
    assert run_command(Report, "report", [str(discounts)]) == 0
    assert (discounts / "report.md").read_text() == before
    shown = capsys.readouterr().out
    assert "SpotifyPlaylist-v0 (builtin:300): 300 tracks, 3 held-out sessions" in shown
    assert "train [s]" in shown
    assert "corrected for 3 tests; 2 runs against 2, 3 sessions)." in shown


def test_report__of_an_empty_folder_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(Report, "report", [str(tmp_path)]) == 2
    assert "experiments.compare --out" in capsys.readouterr().err


def test_study__measures_each_task_on_a_scale_of_its_own() -> None:
    class Histories(Study):
        def methods(self) -> Iterator[Case]:
            for length in (3, 5):
                yield Case(f"{length} tracks", replace(self.config, history_length=length))

    cases = list(Histories(n_seeds=1).cases())
    assert len(cases) == len(set(cases)) == 2 * 3 + 2
    assert {case.config.history_length for case in cases if case.reference == "planner"} == {3, 5}


NOWHERE = ["--catalogue", "nowhere.csv"], "nowhere.csv"
STATE = ["--state", "everything"], "state='everything' is not known"
NO_SEEDS = ["--n-seeds", "0"], "n_seeds=0 must be at least 1"
NO_JOBS = ["--jobs", "0"], "jobs=0 must be at least 1, or -1 for one per processor"
MISTAKES: dict[type[Command], list[tuple[list[str], str]]] = {
    Discounts: [NO_SEEDS, (["--n-sessions", "0"], "n_sessions=0 must be at least 1"), NOWHERE, STATE, NO_JOBS],
    Generalization: [
        (["--test-fraction", "2"], "test_fraction=2.0 is not between 0 and 1"),
        (["--other", "nowhere.csv"], "nowhere.csv"),
        (["--policy", "mlp"], "plays only from the tracks it was trained on"),
    ],
    SampleEfficiency: [
        (["--n-points", "0"], "n_points=0 must be at least 1"),
        (["--algorithms", "sarsa"], "sarsa"),
        STATE,
    ],
    States: [(["--states", "everything"], "everything"), (["--envs", "SpotifyRadio-v0"], "SpotifyRadio-v0"), NO_SEEDS],
    Tune: [
        (["--keep", "seed"], "keep='seed' is not searched over; choose from learning_rate"),
        (["--keep", *SPACE], "nothing is left to search over"),
        (["--hidden", "16"], "hidden='16' is outside the search space; pass --keep hidden"),
        (["--tau", "0"], "tau=0.0 is outside the search space; pass --keep tau"),
        (["--n-points", "0"], "n_points=0 must be at least 1"),
        (["--n-trials", "0"], "n_trials=0 must be at least 1"),
        STATE,
        NO_JOBS,
    ],
}


@pytest.mark.parametrize(
    ("kind", "arguments", "said"), [(kind, *mistake) for kind, mistakes in MISTAKES.items() for mistake in mistakes]
)
def test_mistake__is_told_in_one_line_before_anything_is_done(
    kind: type[Command], arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(kind, tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.parquet"))


# Generalization.


def test_travel__plays_in_each_place_and_says_where_it_learned(tmp_path: Path) -> None:
    paths = []
    for name, part in zip(("learned", "unseen"), Catalogue.builtin(300).split(), strict=True):
        paths.append(str(tmp_path / f"{name}.arrow"))
        part.save(paths[-1])
    config = TrainConfig(catalogue=paths[0], env="SpotifyPlaylist-v0", steps=64, learning_starts=32)
    rows = TravelCase(HERE, config, n_sessions=3, plays_from=tuple(paths)).run()
    assert rows.groupby("method", sort=False)["catalogue"].unique().map(list).to_dict() == {
        HERE: [paths[0]],
        ELSEWHERE: [paths[1]],
    }
    assert rows.groupby("catalogue")["session"].size().eq(3).all()


def test_generalization__measures_every_place_on_its_own_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Generalization, tmp_path, "--other", "builtin:200", "--n-sessions", "2", "--n-seeds", "1") == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    for place in (LEARNED, UNSEEN, OTHER):
        assert place in shown
        rows = results[results["env"].str.contains(place)]
        means = rows.groupby("method")["skill"].mean()
        assert means["fixed"] == pytest.approx(0)
        assert means["planner"] == pytest.approx(1)
        assert set(rows["method"]) >= ({HERE} if place == LEARNED else {HERE, ELSEWHERE})
    assert f" {HERE} in skill" in shown or f" {ELSEWHERE} in skill" in shown
    assert (tmp_path / "skill_3.png").stat().st_size > 10_000


# References: the scale, and what nobody can exceed.


def test_references__are_all_below_the_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    envs = ["--envs", "SpotifyPlaylist-v0", "SpotifySatiation-v0"]
    assert run(References, tmp_path, *envs, "--n-sessions", "2") == 0
    shown = capsys.readouterr().out
    assert "95 % interval over sessions" in shown
    assert shown.index("random") < shown.index("nearest") < shown.index("bound")
    returns = pd.read_parquet(tmp_path / "results.parquet").pivot(index=["env", "session"], columns="method")["return"]
    assert len(returns) == 4
    assert (returns.max(axis=1) == returns["bound"]).all()


def test_references__let_a_fitted_listener_listen(tmp_path: Path) -> None:
    listener = tmp_path / "listener.json"
    LoggedListener(position=(9.0,), leave=(-99.0, 99.0)).to_json(listener)
    envs = ["--envs", "SpotifyLogged-v0", "SpotifySession-v0", "--policies", "random", "--n-sessions", "4"]
    assert run(References, tmp_path, *envs, "--listener", str(listener)) == 0
    rows = pd.read_parquet(tmp_path / "results.parquet")
    rows = rows[rows["method"] == "random"].groupby("env_id")["length"].mean()
    assert rows["SpotifyLogged-v0"] < 3
    assert rows["SpotifySession-v0"] == 20


# Regret by place, and the angle to the true taste.


def test_watched__belief_turns_to_the_taste_and_loses_less() -> None:
    catalogue, task = Catalogue.builtin(2000), TrainConfig(catalogue="builtin:2000", env="SpotifyTaste-v0")
    rows = {
        policy: WatchedCase(policy.__name__, task, n_sessions=70).measured(policy, catalogue)
        for policy in (BeliefPolicy, NearestSeenPolicy)
    }
    belief, blind = rows[BeliefPolicy], rows[NearestSeenPolicy]
    regret = belief[[f"regret_{place}" for place in PLACES]].to_numpy()
    assert (np.nan_to_num(regret) >= -1e-6).all()
    assert np.array_equal(np.isfinite(regret[:, -1]), belief["length"] == 50)
    assert belief["angle_30"].mean() < 50 < 60 < belief["angle_1"].mean()
    assert belief["regret_30"].mean() < 0.1 < belief["regret_1"].mean()
    assert blind["angle_30"].mean() > belief["angle_30"].mean() + 10


def test_regret__of_all_methods_is_of_one_task() -> None:
    config = TrainConfig(catalogue="builtin:300", env="SpotifyTaste-v0", max_tracks=100, repeats=True)
    cases = list(Regret(config=config, policies=("belief", "thompson")).methods())
    assert [case.method for case in cases] == ["DQN, γ = 0.9", "belief", "thompson"]
    assert len({case.task for case in cases}) == 1
    with pytest.raises(ValueError, match="SpotifyPlaylist-v0 has no hidden taste for belief"):
        list(Regret(config=replace(config, env="SpotifyPlaylist-v0"), policies=("belief",)).methods())
    with pytest.raises(ValueError, match="policy='nope' is not known"):
        list(Regret(config=config, policies=("nope",)).methods())


def test_regret__is_reported_by_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Regret, tmp_path, "--policies", "belief", "--n-sessions", "4") == 0
    shown = capsys.readouterr().out
    assert "regret by place in the session" in shown
    assert "angle by place in the session" in shown
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert rows.loc[rows["method"] != "fixed", "skill_seen"].notna().all()
    assert (tmp_path / "regret.png").stat().st_size > 10_000


# Sample efficiency: what the clock counts, and when a level is reached for good.

CURVE = TrainConfig(catalogue="builtin:300", env="SpotifyPlaylist-v0", steps=1024, learning_starts=256)


def test_curve__has_its_points_at_even_distances_and_ends_as_training_without_a_look_does() -> None:
    rows = CurveCase("DQN", CURVE, n_sessions=5, n_points=4).run()
    assert rows.groupby("step").size().eq(5).all()
    curve = rows.groupby("step")[["seconds", "cpu_seconds", "updates", "return"]].mean().reset_index()
    assert curve["step"].tolist() == [256, 512, 768, 1024]
    assert (np.diff(curve["seconds"]) > 0).all()
    assert (np.diff(curve["updates"]) > 0).all()
    unseen = train(CURVE)
    played = evaluate(unseen.model, CURVE.env, 5, catalogue=unseen.catalogue, **CURVE.env_options)
    assert curve["return"].iat[-1] == pytest.approx(played.returns.mean())


@pytest.mark.parametrize(
    ("skills", "expected"), [((0.8, 0.9, 0.7, 0.95, 0.96), 3), ((0.9, 0.9), 0), ((0.95, 0.8), None)]
)
def test_first_for_good__is_after_the_last_lapse(skills: tuple[float, ...], expected: int | None) -> None:
    points = pd.DataFrame({"seed": 7, "skill": skills, "step": range(len(skills))})
    found = first_for_good(points, 0.9)
    assert found["step"].tolist() == ([] if expected is None else [expected])


def test_sample_efficiency__measures_draws_and_goes_on_where_it_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "640", "--learning-starts", "128", "--n-points", "3", "--thresholds", "-100", "2"]
    for _ in range(2):
        assert run(SampleEfficiency, tmp_path, *options) == 0
        shown = capsys.readouterr().out
        assert "≥ -100" in shown
        assert "never" in shown
    rows = pd.read_parquet(tmp_path / "results.parquet")
    assert rows.groupby(["seed", "step"]).size().tolist() == [3] * 6
    ends = rows.loc[rows["step"] == rows["step"].max(), "return"].mean()
    assert f"earns most in SpotifyPlaylist-v0 (builtin:300): {ends:.1f} a session" in " ".join(shown.split())
    assert (tmp_path / "curve.png").stat().st_size > 10_000


# States: the options, and the effect of silent listeners.


@pytest.mark.parametrize("env_id", SILENT)
def test_silence__hides_the_listener_and_changes_nothing_else(env_id: str, small: Catalogue) -> None:
    silent = f"experiments.states:{SILENT[env_id]}"
    open_env, silent_env = gym.make(env_id, catalogue=small), gym.make(env_id, catalogue=small, listener=silent)
    for env in (open_env, silent_env):
        env.reset(seed=3)
    assert silent_env.observation_space.shape == (9,)
    assert open_env.observation_space.shape > silent_env.observation_space.shape
    for track in range(10):
        shown, hidden = open_env.step(track), silent_env.step(track)
        assert shown[1:4] == hidden[1:4]
        assert shown[0][:9].tolist() == hidden[0].tolist()


def test_case__without_feedback_is_trained_and_played_without() -> None:
    config = TrainConfig(catalogue="builtin:300", env="SpotifySkip-v0", steps=64, learning_starts=32)
    cases = list(States(config=config, envs=("SpotifySkip-v0",), states=("mean",), n_seeds=1).cases())
    assert [case.method for case in cases] == [*SCALE, "mean", "mean, no feedback"]
    assert len({case.task for case in cases}) == 1
    assert [case.config.listener for case in cases[:-1]] == [None] * 6
    (width,) = cases[-1].policy(Catalogue.builtin(300)).observation_space.shape
    assert width == 9


@pytest.mark.parametrize(
    ("typed", "state"),
    [((), "mean"), (("--env", "SpotifyTaste-v0"), "belief"), (("--env", "SpotifyTaste-v0", "--state", "mean"), "mean")],
)
def test_study__shows_learners_what_training_there_would(typed: tuple[str, ...], state: str) -> None:
    assert SampleEfficiency.parse(typed, "study").config.state == state
    assert Tune.parse(typed, "study").search.config.state == state
    assert TrainConfig.template() != TrainConfig()
    assert SampleEfficiency().config.state == Tune().search.config.state == "mean"


def test_findings__compare_each_state_with_the_mean() -> None:
    rows = [
        (state, seed, 0, skill + 0.01 * seed)
        for state, skill in (("mean", 0.5), ("history", 0.9))
        for seed in (0, 1, 2)
    ]
    results = pd.DataFrame(rows, columns=["method", "seed", "session", "skill"]).assign(env="e", steps=64)
    (said,) = States().findings(results)
    assert said.startswith("e: history beats mean by 0.4 in skill")


def test_states__are_all_those_that_the_catalogue_can_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(States, tmp_path, "--envs", "SpotifyPlaylist-v0", "--n-sessions", "2", "--n-seeds", "1") == 0
    shown = capsys.readouterr().out
    results = pd.read_parquet(tmp_path / "results.parquet")
    states = set(results["method"]) - {"fixed", "nearest", "planner"}
    assert {"mean", "decayed", "mean+decayed", "history"} <= states
    assert ("mean+genres" in states) == (Catalogue.builtin(300).genres is not None)
    assert shown.count(" in skill") == len(states) - 1
    assert (tmp_path / "skill_1.png").stat().st_size > 10_000
