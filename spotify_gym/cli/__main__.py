"""`python -m spotify_gym.cli`, the same as `spotify-gym`."""

import sys

from spotify_gym.cli import main

sys.exit(main())
