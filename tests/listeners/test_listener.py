"""Listeners: user-defined ones, lookup by name, values and file, and a person in place of one."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

from spotify_gym import Catalogue
from spotify_gym.listeners import (
    LISTENERS,
    BatchState,
    Listener,
    Person,
    Response,
    SatiatedListener,
    SkippingListener,
    as_listener,
)
from spotify_gym.session import SessionDynamics, SessionState, make_dynamics


@pytest.fixture(scope="module")
def restless() -> Listener:
    """The user-defined listener of the documentation, made by running its example."""
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(Listener, globs={"__name__": __name__})
    runner = doctest.DocTestRunner()
    runner.run(example, clear_globs=False)
    assert runner.summarize().failed == 0
    return example.globs["RestlessListener"]()


def test_own_listener__is_short():
    code = [line for line in (Listener.__doc__ or "").splitlines() if line.strip().startswith((">>>", "..."))]
    assert len(code) <= 33


def test_own_listener__plays_in_an_env(restless, small):
    env = gymnasium.make("SpotifySession-v0", catalogue=small, listener=restless, reward={"flow": 1.0, "change": 0.5})
    check_env(env.unwrapped, skip_render_check=True)
    _, _ = env.reset(seed=0)
    observation, reward, _, _, info = env.step(7)
    assert observation.shape == (18,)
    assert reward == pytest.approx(info["flow"] + info["change"], abs=1e-6)
    assert 0 <= info["change"] <= 0.5


def test_own_listener__leaves_some_sessions_of_a_batch(restless, small):
    env = gymnasium.make_vec("SpotifySession-v0", num_envs=500, catalogue=small, listener=restless)
    env.reset(seed=0)
    left = sum(env.step(np.full(500, t))[2].mean() for t in range(5))
    assert left == pytest.approx(5 * 0.02, abs=0.04)


def test_own_listener__expects_what_it_answers(restless):
    rng = np.random.default_rng(0)
    units = rng.standard_normal((6, 4)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    _, state = restless.start(np.tile(units[:3], (6, 1, 1)), 3, np.empty((6, 0), np.float32))
    expected = restless.expect(state, units, np.zeros((6, 6), np.float32))["change"]
    answered = restless.respond(state, units, np.zeros(6, np.float32), np.ones((6, 1), np.float32)).terms["change"]
    np.testing.assert_allclose(answered, np.diag(expected), atol=1e-6)


@dataclass
class Inner(BatchState):
    names: NDArray[np.str_]


@dataclass
class Outer(BatchState):
    numbers: NDArray[np.int64]
    inner: Inner
    nothing: None = None


def outer(*numbers: int) -> Outer:
    return Outer(np.array(numbers), Inner(np.array([f"n{i}" for i in numbers])))


def test_take__copies_the_sessions_in_the_order_asked():
    state = outer(0, 10, 20)
    taken = state.take(np.array([2, 0, 2]))
    np.testing.assert_array_equal(taken.numbers, [20, 0, 20])
    np.testing.assert_array_equal(taken.inner.names, ["n20", "n0", "n20"])
    taken.numbers[:] = -1
    np.testing.assert_array_equal(state.numbers, [0, 10, 20])


def test_put__overwrites_these_sessions_and_no_others():
    state = outer(0, 10, 20)
    state.put(np.array([2, 0]), outer(7, 8))
    np.testing.assert_array_equal(state.numbers, [8, 10, 7])
    np.testing.assert_array_equal(state.inner.names, ["n8", "n10", "n7"])
    assert state.nothing is None


# By name.

KEEN = SkippingListener(position=(-3.0, -2.5), patience=float("inf"))


@dataclass(frozen=True)
class LouderListener(SatiatedListener):
    """A user-defined listener."""

    loudness: float = 2.0


@pytest.mark.parametrize("listener", [KEEN, SatiatedListener(decay=0.5), LouderListener(loudness=3.0)])
@pytest.mark.parametrize(
    "given",
    [
        lambda listener, path: listener,
        lambda listener, path: listener.to_dict(),
        lambda listener, path: json.loads(json.dumps(listener.to_dict())),
        lambda listener, path: path,
        lambda listener, path: str(path),
    ],
)
def test_listener__is_given_as_itself_its_values_or_its_file(
    listener: Listener[Any], given: Callable[..., object], tmp_path: Path, small: Catalogue
) -> None:
    path = tmp_path / "listener.json"
    listener.to_json(path)
    assert type(listener).from_json(path) == listener
    option = given(listener, path)
    assert as_listener(option) == listener
    env: Any = gymnasium.make("SpotifySession-v0", catalogue=small, listener=option)
    assert env.unwrapped.dynamics.listener == listener


def test_listener__is_known_by_name() -> None:
    assert {name: as_listener(name) for name in LISTENERS} == {name: kind() for name, kind in LISTENERS.items()}
    assert as_listener(f"{__name__}:LouderListener") == LouderListener()
    assert as_listener({"listener": "skipping", "patience": 4.0}) == SkippingListener(patience=4.0)
    assert as_listener(None) is None


def test_listener__of_a_file_that_names_none_is_a_skipping_one(tmp_path: Path) -> None:
    values = {name: value for name, value in KEEN.to_dict().items() if name != "listener"}
    (tmp_path / "listener.json").write_text(json.dumps(values))
    assert as_listener(tmp_path / "listener.json") == SkippingListener.from_json(tmp_path / "listener.json") == KEEN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("sleeping", "listener='sleeping' is not known; choose one of 'satiated', 'skipping'"),
        (
            "collections:OrderedDict",
            "listener='collections:OrderedDict' is not a class derived from spotify_gym.listeners.listener.Listener",
        ),
        ("nowhere.json", "nowhere.json: No such file or directory"),
        ({"patience": 4.0}, "must be a Listener, or the name, values or JSON file of one"),
        ({"listener": "skipping", "patients": 4.0}, "are not values of SkippingListener: .*patients"),
        ({"listener": "skipping", "patience": 0.0}, "patience=0.0 must be above 0"),
        (7, "listener=7 must be a Listener"),
    ],
)
def test_listener__that_is_none_is_refused_in_words(given: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_listener(given)


def test_values__of_what_is_no_list_of_values_are_refused() -> None:
    class Loud(Listener[Any]):
        start = respond = expect = term_bounds = None  # type: ignore[assignment]

        def __init__(self) -> None:
            self.loudness = 7

    with pytest.raises(TypeError, match="Loud a dataclass of its values"):
        Loud().to_dict()
    with pytest.raises(TypeError, match="not JSON serializable"):
        SatiatedListener(decay=np.float32(0.5)).to_dict()  # type: ignore[arg-type]


def test_response__says_the_new_name_of_listened() -> None:
    with pytest.raises(TypeError, match="now called `completed`"):
        Response({}, listened=np.ones(1, np.bool_))


def test_file__imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "listener.json").write_text('{"listener": "tests.nowhere:Harmful"}')
    with pytest.raises(ValueError, match=r"import tests\.nowhere first"):
        as_listener(tmp_path / "listener.json")


# A person.

HISTORY = np.array([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]])
ANSWERS = [np.array(row) for row in ([True, False], [False, False], [True, True], [False, True])]


def play(dynamics: SessionDynamics) -> tuple[SessionState, list[dict[str, list[float]]]]:
    sessions = dynamics.start(np.arange(2, dtype=np.uint64), HISTORY)
    terms = []
    for step, heard in enumerate(ANSWERS):
        sessions.listener.completed[:] = heard
        outcome = dynamics.step(sessions, np.array([20 + step, 30 + step]))
        assert (
            np.where(heard, [20 + step, 30 + step], 0).tolist() == np.where(heard, sessions.history[:, -1], 0).tolist()
        )
        assert not outcome.left.any()
        terms.append({name: values.tolist() for name, values in outcome.terms.items()})
    return sessions, terms


def test_person__in_nobodys_place__hears_what_they_say(small: Catalogue) -> None:
    sessions, _ = play(make_dynamics(small, repeats=False, listener=Person()))
    assert sessions.history.tolist() == [[2, 3, 4, 20, 22], [7, 8, 9, 32, 33]]
    assert small.recordings[31] in sessions.played[1]  # a skipped track is not played again either


def test_person__makes_the_skipping_listener_do_the_same(small: Catalogue) -> None:
    dynamics = make_dynamics(small, repeats=False, listener=Person(SkippingListener()), reward={"listened": 1.0})
    sessions, terms = play(dynamics)
    assert sessions.listener.replaced.responses.tolist() == [[-1, 1, -1], [-1, 1, 1]]
    assert [term["listened"] for term in terms] == [row.astype(float).tolist() for row in ANSWERS]
    shown = dynamics.observe(sessions)[:, -3:]
    assert shown.tolist() == [[-1, 1, -1], [-1, 1, 1]]


def test_person__satiates_the_listener_with_what_was_heard_alone(small: Catalogue) -> None:
    listener = SatiatedListener(decay=0.5)
    sessions, terms = play(make_dynamics(small, repeats=False, listener=Person(listener), reward={"satiation": 1.0}))
    units = small.unit_features
    exposure = sum(0.5**age * units[track] for age, track in enumerate([22, 20, 4, 3, 2, 1, 0]))
    np.testing.assert_allclose(sessions.listener.replaced.exposure[0], exposure, rtol=1e-4, atol=1e-6)
    assert terms[1]["satiation"] == [0.0, 0.0]


def test_person__shows_and_expects_what_the_replaced_listener_does(small: Catalogue) -> None:
    replaced = SkippingListener(mood_sd=0.0)
    ours, theirs = (
        make_dynamics(small, listener=listener, reward={"listened": 1.0}) for listener in (Person(replaced), replaced)
    )
    key = np.zeros(1, np.uint64)
    np.testing.assert_allclose(
        ours.expected_rewards(ours.start(key, HISTORY[:1])),
        theirs.expected_rewards(theirs.start(key, HISTORY[:1])),
        rtol=1e-6,
    )
    assert ours.reward_bounds == theirs.reward_bounds


@pytest.mark.parametrize("replaced", [None, SatiatedListener(), SkippingListener()])
def test_person__starts_from_the_history_given(small: Catalogue, replaced: SatiatedListener | None) -> None:
    dynamics = make_dynamics(small, listener=Person(replaced))
    assert dynamics.start(np.zeros(2, np.uint64), HISTORY).history.tolist() == HISTORY.tolist()


@pytest.mark.parametrize("name", ["n_uniforms", "n_start_uniforms"])
def test_compiled_listener__is_dealt_what_its_loops_read(name: str) -> None:
    with pytest.raises(TypeError, match=f"Less.{name} must be at least its parent's"):
        type("Less", (SkippingListener,), {name: 0})
    own = {"n_uniforms": 0, "n_start_uniforms": 0, "start": Listener.start, "respond": Listener.respond}
    assert type("OfItsOwn", (SkippingListener,), own).n_uniforms == 0
