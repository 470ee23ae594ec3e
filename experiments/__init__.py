"""Experiments, each a command: `python -m experiments.NAME --help`."""

from __future__ import annotations

import sys

NEW_NAMES = {
    "experiments.learn": "experiments.sample_efficiency",
    "experiments.generalise": "experiments.generalization",
    **{f"experiments.{name}": f"tools.{name}" for name in ("pictures", "screenshots", "shipped_model", "page_speed")},
}
"""Modules that have another name now."""


class _NewNames:
    """Says, where a module is asked for by the name that it had, which one it has."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name not in NEW_NAMES:
            return
        if sys.argv[:1] == ["-m"]:  # so it is while Python looks for the module that `python -m` is to run
            print(f"python -m {name} is now: python -m {NEW_NAMES[name]}", file=sys.stderr)
            sys.exit(2)
        raise ModuleNotFoundError(f"{name} is now {NEW_NAMES[name]}", name=name)


sys.meta_path.append(_NewNames)  # the last: asked for what nobody else has found
