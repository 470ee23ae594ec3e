"""Experiments, each a command: `python -m experiments.NAME --help`."""

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
"""Commands of this folder that have another name now."""


class _NewNames:
    """Says, where a module is asked for by the name that it had, which one it has."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        running = sys.argv[:1] == ["-m"]  # while Python looks for the module that `python -m` is to run
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


sys.meta_path.append(_NewNames)  # the last: asked for what nobody else has found
