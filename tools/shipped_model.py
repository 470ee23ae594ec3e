"""Train the small model that the page comes with: `python -m tools.shipped_model`.

On one machine it ends with the same weights every time.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import tyro

from spotify_gym.cli.command import guarded
from spotify_gym.training import TrainConfig, train
from spotify_gym.training.artifacts import returns_in_words

CONFIG = TrainConfig(env="SpotifyPlaylist-v0", algorithm="double", episodes=4000, snapshots=(0, 0.01, 0.1))
"""Playlists, since a page that plays one song over and over reads nobody's taste; the page shows how it learned."""


def main(out: Path = Path("spotify_gym/app/model")) -> None:
    """Train the model, and put what playing needs into a run folder.

    Args:
        out: the folder, which is made anew once the training is done.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trained = Path(scratch) / "run"
        run = train(CONFIG, trained, progress=True)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for file in (trained / "config.json", *trained.glob("weights*.safetensors")):
            shutil.copyfile(file, out / file.name)
        facts = json.loads((trained / "meta.json").read_text())
    # Of what is known of the run, what matters elsewhere: nothing of this machine.
    kept = {"command": "python -m tools.shipped_model", **{key: facts[key] for key in ("versions", "catalogue")}}
    (out / "meta.json").write_text(json.dumps(kept, indent=2) + "\n")
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{out}: {size / 1000:.0f} kB, {returns_in_words(run.model)}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.shipped_model"))
