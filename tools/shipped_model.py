"""Train the small model that ships with the package: `python -m tools.shipped_model`.

On one machine the weights are the same every time.
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
"""Settings of the model, in an environment without repeats; the page shows the snapshots of its training."""


def main(out: Path = Path("spotify_gym/app/model")) -> None:
    """Train the model, and write the files needed for playing to a run folder.

    Args:
        out: the folder, which is replaced after the training.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trained = Path(scratch) / "run"
        run = train(CONFIG, trained, progress=True)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for file in (trained / "config.json", *trained.glob("weights*.safetensors")):
            shutil.copyfile(file, out / file.name)
        facts = json.loads((trained / "meta.json").read_text())
    # Keep only metadata that is valid elsewhere, without this machine's paths.
    kept = {"command": "python -m tools.shipped_model", **{key: facts[key] for key in ("versions", "catalogue")}}
    (out / "meta.json").write_text(json.dumps(kept, indent=2) + "\n")
    size = sum(file.stat().st_size for file in out.iterdir())
    print(f"{out}: {size / 1000:.0f} kB, {returns_in_words(run.model)}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: tyro.cli(main), "python -m tools.shipped_model"))
