"""Base of all commands of this project: help, one line for a mistake, no traceback, Ctrl-C."""

from __future__ import annotations

import io
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, Literal, Self

from spotify_gym.catalogue.report import printable

FAILED = 1
MISTAKE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141
"""Exit codes, as shells have them."""

_EXTRAS = {
    "streamlit": "app",
    "optuna": "tune",
    "dask": "cluster",
    "distributed": "cluster",
    "minari": "offline",
    "openpyxl": "xlsx",
    "kagglehub": "fetch",
    "huggingface_hub": "fetch",
}

_WIDTH = 120  # columns, where the output is no terminal and so has no width of its own


class UsageError(ValueError):
    """The options of a command are wrong; the message says which, and what is allowed."""


class CheckFailed(ValueError):
    """What a command was asked to check is not so."""


class Command(ABC):
    """A command whose options are the fields of a frozen dataclass, a line of help under each."""

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, prog: str) -> Self:
        """Read the options from the arguments, `sys.argv` by default.

        Raises:
            UsageError: an option that there is not, or a value that it does not take.
            SystemExit: help was asked for, and given.
        """
        command: Self = parse(cls, arguments, prog)
        return command

    @abstractmethod
    def run(self) -> None:
        """Do it."""


def parse(kind: type[Any], arguments: Sequence[str] | None, prog: str, **settings: Any) -> Any:
    """Read a dataclass from arguments; the settings are tyro's."""
    import tyro  # not above: the list of commands is to come at once

    told = io.StringIO()
    try:
        with redirect_stderr(told):
            return tyro.cli(kind, prog=prog, args=arguments, **settings)
    except SystemExit as end:
        if end.code:
            raise UsageError(_unframed(told.getvalue())) from None
        raise


def run_command(kind: type[Command], prog: str, arguments: Sequence[str] | None = None) -> int:
    """Parse the arguments of a command, `sys.argv` by default, run it and return the exit code."""
    return guarded(lambda: kind.parse(arguments, prog).run(), prog)


def guarded(work: Callable[[], None], prog: str, extra: str = "train") -> int:
    """Do some work for a user and return the exit code.

    What the user can put right (a `ValueError` or an `OSError`: all errors of this package are one of these) becomes
    one line on stderr; anything else is our mistake and keeps its traceback. `extra` is the one of the package that
    brings the libraries of this work, but for those that one extra alone brings.
    """
    _replace_unknown_letters()
    try:
        work()
    except BrokenPipeError:  # whoever reads our output, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print(f"{prog}: stopped", file=sys.stderr)
        return INTERRUPTED
    except CheckFailed as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        named = error.filename and error.strerror
        return _mistake(prog, f"{error.filename}: {error.strerror}" if named else str(error))
    except ValueError as error:
        return _mistake(prog, str(error))
    except MemoryError:
        return _mistake(prog, "there is not enough memory; take fewer tracks (--max-tracks) or --policy catalogue")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "spotify_gym":
            raise
        extra = _EXTRAS.get(library, extra)
        return _mistake(prog, f'this needs {library}, which is not installed: pip install "spotify_gym[{extra}]"')
    return 0


def check_out(path: Path, ending: str) -> None:
    """Refuse a file that could not be written, before the work that is to fill it.

    Raises:
        UsageError: it is in no folder, is a folder or a device, or has another ending.
    """
    if path.suffix != ending:
        raise UsageError(f"--out {path} must end in {ending}, such as {path.stem or 'new'}{ending}")
    try:
        os.stat(f"{path.parent}/")  # the slash: it must be a folder
    except OSError as error:
        raise UsageError(f"cannot write {path}: there is no folder {path.parent} ({error.strerror})") from error
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot write {path}: there is something of this name that is no file")


def show_table(title: str, columns: Mapping[str, Literal["left", "right"]], rows: Iterable[Iterable[str]]) -> None:
    """Print a table to stdout, whatever its names hold; `columns` are named, with the side that they are flush on."""
    from rich.console import Console  # not above: an extra brings it
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left")
    for name, side in columns.items():
        table.add_column(Text(name), justify=side)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _replace_unknown_letters() -> None:
    """Let what a terminal has no letters for be shown as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _unframed(message: str) -> str:
    """Take what tyro says out of the frame it draws around it, and out of its colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", message)
    lines = [line.strip("│|╭╮╰╯─ ") for line in plain.splitlines()]
    _title, *said = [line for line in lines if line.strip("-")]
    return " ".join(said)


def _mistake(prog: str, message: str) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return MISTAKE
