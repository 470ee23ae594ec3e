"""Train a learner and keep it in a run folder: `python -m experiments.train --catalogue TABLE --algorithm double`."""

from __future__ import annotations

import sys

from spotify_gym.cli.command import run_command
from spotify_gym.cli.train import Train

if __name__ == "__main__":
    sys.exit(run_command(Train, "python -m experiments.train"))
