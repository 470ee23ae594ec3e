"""Experiments, one command each: `python -m experiments.NAME --help`."""

from __future__ import annotations

import sys

NEW_NAMES = {
    "train": "spotify-gym train",
    "evaluate": "spotify-gym evaluate",
    "calibrate": "spotify-gym listener fit",
    "learn": "python -m experiments.sample_efficiency",
    "generalise": "python -m experiments.generalization",
    **{name: f"python -m tools.{name}" for name in ("pictures", "screenshots", "shipped_model", "page_speed")},
    **{f"trust.{name}": f"make {name}" for name in ("fuzz", "kill", "soak", "versions")},
}
"""Former command names of this folder, with the current ones."""


class _NewNames:
    """Import finder that reports the current name of a module that is imported or run by its former name."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        running = sys.argv[:1] == ["-m"]  # set while `python -m` locates its module
        if running and name == "experiments.trust":
            typed = (word.removeprefix("-m") for word in sys.orig_argv)
            name = next(word for word in typed if word.startswith(name))
        new = NEW_NAMES.get(name.removeprefix("experiments."))
        if new is None:
            return
        if running:
            print(f"python -m {name} is now: {new}", file=sys.stderr)
            sys.exit(2)
        raise ModuleNotFoundError(f"{name} is now {new.removeprefix('python -m ')}", name=name)


sys.meta_path.append(_NewNames)  # last, so that it is asked only for modules that no other finder knows
