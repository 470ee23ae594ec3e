"""Train the small model that the page comes with: `python -m experiments.shipped_model`.

On one machine it ends with the same weights every time.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spotify_gym.training import TrainConfig, train
from spotify_gym.training.command_line import Command, run_command

CONFIG = TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", episodes=4000)
"""Playlists, since a page that plays one song over and over reads nobody's taste."""


@dataclass(frozen=True)
class ShippedModel(Command):
    """Train the model that comes with the page, and put what playing needs into a run folder."""

    out: Path = Path("spotify_gym/app/model")
    """The folder, which is made anew."""

    def run(self) -> None:
        """Train beside the old folder, then replace it."""
        with tempfile.TemporaryDirectory() as scratch:
            trained = Path(scratch) / "run"
            run = train(CONFIG, trained, progress=True)
            shutil.rmtree(self.out, ignore_errors=True)
            self.out.mkdir(parents=True)
            for name in ("config.json", "weights.safetensors"):
                shutil.copyfile(trained / name, self.out / name)
            (self.out / "meta.json").write_text(_without_the_machine(trained / "meta.json"))
        size = sum(file.stat().st_size for file in self.out.iterdir())
        print(f"{self.out}: {size / 1000:.0f} kB, mean return of the last 100 sessions {run.curve[-1].mean_return:.2f}")


def _without_the_machine(meta: Path) -> str:
    """Keep of what is known of a run what matters elsewhere: the catalogue and the versions."""
    facts = json.loads(meta.read_text())
    kept = {"command": "python -m experiments.shipped_model", **{key: facts[key] for key in ("versions", "catalogue")}}
    return json.dumps(kept, indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(run_command(ShippedModel, "python -m experiments.shipped_model"))
