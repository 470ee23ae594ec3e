"""Datasets by a fixed recipe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

minari = pytest.importorskip("minari", reason="needs the extra `offline`")

from experiments.datasets import Datasets  # noqa: E402
from spotify_gym.cli.command import run_command  # noqa: E402


def test_command__makes_the_same_datasets_whenever_it_is_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for folder in ("one", "two"):
        arguments = ["--envs", "SpotifyPlaylist-v0", "--catalogue", "builtin:300", "--n-sessions", "4"]
        assert run_command(Datasets, "datasets", [*arguments, "--out", str(tmp_path / folder)]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    means = dict(re.findall(r"spotify/SpotifyPlaylist/(\w+)-v0: 4 sessions, 80 steps, mean return (\S+),", told[0]))
    assert float(means["random"]) < float(means["mixed"]) < float(means["nearest"])
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "one"))
    dataset = minari.load_dataset("spotify/SpotifyPlaylist/mixed-v0")
    assert {"propensity", "played"} <= next(iter(dataset.iterate_episodes())).infos.keys()
