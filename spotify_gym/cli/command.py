"""Base class of all commands, and error handling: one line per user error, no traceback, exit codes."""

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
"""Exit codes, following shell conventions."""

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

_WIDTH = 120  # columns, if the output is not a terminal


class UsageError(ValueError):
    """An option of a command is wrong; the message says which, and what is allowed."""


class CheckFailed(ValueError):
    """A check that the user asked for has failed."""


class Command(ABC):
    """A command whose options are the fields of a frozen dataclass, with a line of help under each field."""

    @classmethod
    def parse(cls, arguments: Sequence[str] | None, prog: str) -> Self:
        """Parse the options from the arguments, `sys.argv` by default.

        Raises:
            UsageError: an option is unknown, or its value is not allowed.
            SystemExit: help was requested and printed.
        """
        command: Self = parse(cls, arguments, prog)
        return command

    @abstractmethod
    def run(self) -> None:
        """Execute the command."""


def parse(kind: type[Any], arguments: Sequence[str] | None, prog: str, **settings: Any) -> Any:
    """Parse a dataclass from arguments; `settings` are passed to tyro."""
    import tyro  # imported here to keep the list of commands fast

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
    """Call `work` and return the exit code.

    Errors that the user can fix (`ValueError` and `OSError`, the base classes of all errors of this package) become one
    line on stderr; any other error is a bug and keeps its traceback. `extra` is the package extra to name if a library
    is missing that `_EXTRAS` does not list.
    """
    _replace_unknown_letters()
    try:
        _and_flush(work)
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed the pipe
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
        return _mistake(prog, "not enough memory; use fewer tracks (--max-tracks) or --policy catalogue")
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "spotify_gym":
            raise
        extra = _EXTRAS.get(library, extra)
        return _mistake(prog, f'this needs {library}, which is not installed: pip install "spotify_gym[{extra}]"')
    return 0


def check_out(path: Path, ending: str) -> None:
    """Check that an output file can be written, before the work begins.

    Raises:
        UsageError: the folder does not exist or is read-only, the path is not a regular file, or it has another ending.
    """
    if path.suffix != ending:
        raise UsageError(f"--out {path} must end in {ending}, such as {path.stem or 'new'}{ending}")
    try:
        os.stat(f"{path.parent}/")  # the slash makes this fail if it is not a folder
    except OSError as error:
        raise UsageError(f"cannot write {path}: folder {path.parent} not found ({error.strerror})") from error
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {path}: {path.parent} is not writable; choose another file with --out")
    if path.exists() and not path.is_file():
        raise UsageError(f"cannot write {path}: it exists and is not a regular file")


def show_table(title: str, columns: Mapping[str, Literal["left", "right"]], rows: Iterable[Iterable[str]]) -> None:
    """Print a table of arbitrary texts to stdout; `columns` maps each heading to its alignment."""
    from rich.console import Console  # imported here because only an extra installs it
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), title_justify="left")
    for name, side in columns.items():
        table.add_column(Text(name), justify=side)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None: closed, as by ">&-"
    Console(width=None if is_terminal else _WIDTH).print(table)


def _and_flush(work: Callable[[], None]) -> None:
    """Do the work, and write out what it printed while an error of the pipe can still be handled."""
    try:
        work()
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()


def _replace_unknown_letters() -> None:
    """Print characters that the output encoding lacks as question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _unframed(message: str) -> str:
    """Return tyro's error message without its frame and colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", message)
    lines = [line.strip("│|╭╮╰╯─ ") for line in plain.splitlines()]
    _title, *said = [line for line in lines if line.strip("-")]
    return " ".join(said)


def _mistake(prog: str, message: str) -> int:
    print(f"{prog}: error: {' '.join(message.split())}", file=sys.stderr)
    return MISTAKE
