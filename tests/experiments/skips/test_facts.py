from __future__ import annotations

import numpy as np
import pytest

from experiments.skips.facts import MEASURED, facts_of
from experiments.skips.log import SkipLog


def log_of(*sessions):
    """A log from words: s skipped, l listened."""
    longest = max(map(len, sessions))
    letters = np.array([list(session.ljust(longest)) for session in sessions])
    return SkipLog(letters == "s", letters != " ")


def test_facts__counted_by_hand():
    facts = facts_of(log_of("sslls", "lsss", "lll"))
    np.testing.assert_allclose(facts.by_position, [1 / 3, 2 / 3, 1 / 3, 1 / 2, 1])
    np.testing.assert_allclose(facts.by_previous, [2 / 5, 3 / 4])  # after l: s l l l s; after s: s l s s
    np.testing.assert_allclose(facts.by_recent, [np.nan, 1.0, 0.5, np.nan])  # ssl l, sll s, lss s
    assert facts.session_sd == pytest.approx(np.std([3 / 5, 3 / 4, 0]))


def test_facts__name_every_value():
    assert len(MEASURED.names()) == len(MEASURED.values()) == len(MEASURED.tolerances()) == 27
    by_name = dict(zip(MEASURED.names(), MEASURED.values(), strict=True))
    assert by_name["skip rate at position 1"] == 0.38
    assert by_name["skip rate after a skip"] == 0.75
    assert by_name["standard deviation between sessions"] == 0.254
