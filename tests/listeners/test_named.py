"""Listeners by name, values and file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from spotify_gym import Catalogue
from spotify_gym.listeners import LISTENERS, Listener, Response, SatiatedListener, SkippingListener, as_listener

KEEN = SkippingListener(position=(-3.0, -2.5), patience=float("inf"))


@dataclass(frozen=True)
class LouderListener(SatiatedListener):
    """A listener of one's own."""

    name = ""
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
    env: Any = gym.make("SpotifySession-v0", catalogue=small, listener=option)
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
        ("collections:OrderedDict", "listener='collections:OrderedDict' is no Listener"),
        ("nowhere.json", "nowhere.json holds no listener"),
        ({"patience": 4.0}, "is no Listener, nor a name, values or a JSON file of one"),
        ({"listener": "skipping", "patients": 4.0}, "these are no values of SkippingListener: .*patients"),
        ({"listener": "skipping", "patience": 0.0}, "patience=0.0 must be above 0"),
        (7, "listener=7 is no Listener"),
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

    with pytest.raises(TypeError, match="Loud a dataclass that lists its values"):
        Loud().to_dict()
    with pytest.raises(TypeError, match="not JSON serializable"):
        SatiatedListener(decay=np.float32(0.5)).to_dict()  # type: ignore[arg-type]


def test_response__says_the_new_name_of_listened() -> None:
    with pytest.raises(TypeError, match="now called `completed`"):
        Response({}, listened=np.ones(1, np.bool_))


def test_file__imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "listener.json").write_text('{"listener": "tests.nowhere:Harmful"}')
    with pytest.raises(ValueError, match="yourself first"):
        as_listener(tmp_path / "listener.json")
