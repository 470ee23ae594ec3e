"""Things by name."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from spotify_gym.registry import make_named, resolve


def test_resolve__knows_the_registry_and_what_can_be_imported() -> None:
    assert resolve("state", "mean", {"mean": dict}) is dict
    assert resolve("state", "collections:OrderedDict", {"mean": dict}) is OrderedDict
    assert resolve("state", "collections:OrderedDict.fromkeys", {}) == OrderedDict.fromkeys


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("median", "state='median' is not known; choose one of 'mean', 'history', or name your own as 'module:Class'"),
        ("nowhere_at_all:Median", "state='nowhere_at_all:Median' cannot be imported as 'module:Class': No module"),
        ("collections:Median", "has no attribute 'Median'"),
        ("collections:", "cannot be imported"),
        (":Median", "cannot be imported"),
        ("..:Median", "cannot be imported"),
        ("", "state='' is not known"),
    ],
)
def test_resolve__says_what_is_wrong_with_a_name(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".*") as raised:
        resolve("state", name, {"mean": dict, "history": list})
    assert message in str(raised.value)


def test_made__is_of_its_kind_or_refused_in_words() -> None:
    assert make_named("state", "mean", {"mean": dict}, dict) == {}
    assert make_named("state", "collections:OrderedDict", {}, dict) == {}
    for name, reason in (
        ("json:loads", "missing 1 required"),
        ("os:path", "not callable"),
        ("collections:deque", "but deque"),
    ):
        with pytest.raises(ValueError, match=f"state='{name}' makes no dict.*{reason}"):
            make_named("state", name, {}, dict)
