"""Experiments: each is data, a runner and an analysis; run one with `python -m experiments.NAME`."""

from __future__ import annotations

import sys

RENAMED = {name: f"tools.{name}" for name in ("pictures", "screenshots", "shipped_model", "page_speed", "browser")}
"""Modules of this folder that have another name now."""


class _NewNames:
    """Says, where a module is asked for by the name that it had, which one it has."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        new = RENAMED.get(name.removeprefix("experiments."))
        if new is not None:
            raise ModuleNotFoundError(f"{name} is now {new}", name=name)


sys.meta_path.append(_NewNames)  # the last: asked for what nobody else has found
