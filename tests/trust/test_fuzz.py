"""A few hundred of the cases that `make fuzz` tries by the hundred thousand; and that it would notice a fault."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from experiments.trust.fuzz import KINDS, TURNS, FoundError, Fuzz, worker
from experiments.trust.specimens import SPECIMENS
from experiments.trust.watch import Limits, Verdict, Work, watched
from spotify_gym import Catalogue, CatalogueError


@pytest.mark.parametrize("kind", KINDS)
def test_anything_damaged__ends_in_something_valid_or_an_error(kind: str, tmp_path: Path) -> None:
    outcomes = [KINDS[kind].try_damaged(np.random.default_rng([1, case]), tmp_path) for case in range(75)]
    assert set(outcomes) == {"valid", "refused"}


@pytest.mark.parametrize("kind", SPECIMENS)
def test_whole_file__is_read(kind: str, tmp_path: Path) -> None:
    specimen = SPECIMENS[kind]
    path = tmp_path / f"whole{specimen.suffix}"
    path.write_bytes(specimen.make())
    assert len(specimen.read(path)) >= 10


def test_fuzz__counts_every_case(capsys: pytest.CaptureFixture[str]) -> None:
    Fuzz(cases=len(TURNS), seed=2).run()
    out = capsys.readouterr().out
    assert f"{len(TURNS)} cases in" in out
    assert out.count(" 0 fault") == len(KINDS)


def test_fuzz__fails_where_a_case_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fuzz, "_verdicts", lambda _: iter([Verdict(0, "valid"), Verdict(1, "fault", "broken")]))
    with pytest.raises(FoundError, match="1 cases ended badly; look at one with --seed 5 --only CASE"):
        Fuzz(cases=2, seed=5).run()


def test_worker__is_the_same_for_the_same_seed() -> None:
    def outcomes() -> list[str]:
        with worker(3) as work:
            return [work(case) for case in range(len(TURNS))]

    assert outcomes() == outcomes()


def crafted(path: Path, **changes: object) -> Path:
    """Save a catalogue whose fields are not what they must be."""
    catalogue = Catalogue.builtin(12)
    for name, value in changes.items():
        object.__setattr__(catalogue, name, value)
    catalogue.save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track_ids": Catalogue.builtin(12).track_ids.take([0] * 12)}, "a track id stands twice"),
        ({"genre_names": ("\ud800", *Catalogue.builtin(12).genre_names[1:])}, "surrogates not allowed"),
        ({"popularity": np.full(12, 101, np.float32)}, "a popularity is not from 0 to 100"),
        ({"features": np.full((12, 9), 1e20, np.float32)}, "a feature is not a finite number, or larger than 1e\\+12"),
        ({"features": np.full((12, 9), np.nan, np.float32)}, "a feature is not a finite number"),
    ],
)
def test_crafted_file__with_right_checksums_is_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CatalogueError, match=message):
        Catalogue.load(crafted(tmp_path / "crafted.arrow", **changes))


def test_read__takes_no_more_memory_than_the_file_needs(tmp_path: Path) -> None:
    """A table of two kilobytes is read where two gigabytes are not to be had."""
    path = tmp_path / "songs.csv"
    path.write_bytes(SPECIMENS["csv"].make())
    (verdict,) = watched(Reader(path), [0], Limits(seconds=60, mebibytes=400))
    assert verdict[:3] == (0, "11 tracks", None)


class Reader:
    """Reads a table in another process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self) -> AbstractContextManager[Work]:
        return nullcontext(lambda _: f"{len(Catalogue.read(self.path))} tracks")
