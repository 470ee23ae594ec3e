"""Train a learner and keep it in a run folder: `python -m experiments.train --catalogue TABLE --algorithm double`."""

from __future__ import annotations

import sys

from spotify_gym.training.command_line import run_command
from spotify_gym.training.commands import TrainCommand

if __name__ == "__main__":
    sys.exit(run_command(TrainCommand, "python -m experiments.train"))
