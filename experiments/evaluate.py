"""Score a trained model beside the policies that do not learn: `python -m experiments.evaluate RUN`."""

from __future__ import annotations

import sys

from spotify_gym.training.command_line import run_command
from spotify_gym.training.commands import EvaluateCommand

if __name__ == "__main__":
    sys.exit(run_command(EvaluateCommand, "python -m experiments.evaluate"))
