"""Folders for what is thrown away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

_PREFIX = "spotify_gym-trust"


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder that is gone when the block ends.

    One whose process was killed is cleared away by the next process that asks for a folder.
    """
    _sweep()
    with TemporaryDirectory(prefix=f"{_PREFIX}-{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _sweep() -> None:
    for folder in Path(gettempdir()).glob(f"{_PREFIX}-*"):
        if not _lives(int(folder.name.removeprefix(_PREFIX).split("-")[1])):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        return True
    return True
