"""Score a trained model beside the policies that do not learn: `python -m experiments.evaluate RUN`."""

from __future__ import annotations

import sys

from spotify_gym.cli.command import run_command
from spotify_gym.cli.evaluate import Evaluate

if __name__ == "__main__":
    sys.exit(run_command(Evaluate, "python -m experiments.evaluate"))
