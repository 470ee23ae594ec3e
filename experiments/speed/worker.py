"""One of several processes that hold a catalogue at once, and what that adds to its memory.

`python -m experiments.speed.worker KIND SMALL BIG` holds the small catalogue, so that everything is imported, waits,
holds the big one, waits, and prints the bytes that were added. It waits for a line on its standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import gymnasium as gym
import pandas as pd

from spotify_gym.catalogue import Catalogue

ROLLUP = Path("/proc/self/smaps_rollup")
"""Where Linux says what memory a process takes."""


def _session(path: str) -> object:
    env = gym.make("SpotifySession-v0", catalogue=Catalogue.load(path))
    env.reset(seed=0)
    return env


HOLD: Mapping[str, Callable[[str], object]] = {
    "mapped": Catalogue.load,
    "session": _session,
    "copied": pd.read_feather,
}
"""Ways to hold a prepared catalogue."""


def memory() -> dict[str, int]:
    """Return this process's memory [bytes]: its share of all its pages (PSS), and the pages it has alone (USS)."""
    lines = [line.split() for line in ROLLUP.read_text().splitlines()[1:]]
    size = {name.rstrip(":"): 1024 * int(kilobytes) for name, kilobytes, *_ in lines}
    return {"pss": size["Pss"], "uss": size["Private_Clean"] + size["Private_Dirty"]}


def main(kind: str, small: str, big: str) -> None:
    """Do as told above."""
    hold = HOLD[kind]
    hold(small)
    _meet("ready")
    before = memory()
    held = hold(big)
    _meet("holding")
    added = {name: size - before[name] for name, size in memory().items()}
    _meet(json.dumps(added))
    del held


def _meet(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
