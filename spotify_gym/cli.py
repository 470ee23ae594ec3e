"""The command `spotify-gym`: prepare a table, train, evaluate, recommend, compare, open the page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from spotify_gym.training.command_line import MISTAKE, guarded

PROG = "spotify-gym"

Run = Callable[[Sequence[str], str], int]
"""From arguments and the name of the program to an exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return the exit code."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name not in COMMANDS:
        print(f"{PROG}: error: there is no command {name!r}; choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return MISTAKE
    _, run = COMMANDS[name]
    return run(rest, f"{PROG} {name}")


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, (about, _) in COMMANDS.items()]
    return "\n".join([f"usage: {PROG} COMMAND ...", "", *lines, "", f"{PROG} COMMAND --help says more."])


def _prepare(arguments: Sequence[str], prog: str) -> int:
    """Run `prepare`, which needs none of the extras."""
    parser = _Parser(prog, description="Read a table of songs, say what was found, and write a catalogue.")
    parser.add_argument("table", type=Path, help="CSV or Parquet, also gzipped")
    parser.add_argument("--out", type=Path, default=Path("catalogue.npz"), help="default: %(default)s")
    parser.add_argument("--scaling", choices=["standard", "minmax"], default="standard", help="default: %(default)s")
    parser.add_argument("--columns", nargs="+", default=[], metavar="ROLE=COLUMN", help="for columns of other names")
    parser.add_argument(
        "--duplicates", choices=["keep", "merge"], default="keep", help="merge: a recording is one track"
    )
    parser.add_argument("--min-popularity", type=float, help="leave out tracks that are less popular, from 0 to 100")
    parser.add_argument("--shuffle", action="store_true", help="put the tracks in random order")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffle; default: %(default)s")
    return guarded(partial(_prepare_table, parser.parse_args(arguments)), prog)


def _prepare_table(options: argparse.Namespace) -> None:
    from spotify_gym.catalogue import Catalogue

    if options.out.suffix != ".npz":
        raise ValueError(f"--out {options.out} must end in .npz, which is how a prepared catalogue is known")
    print(f"reading {options.table} ...", file=sys.stderr)
    catalogue = Catalogue.read(
        options.table,
        scaling=options.scaling,
        columns=_column_names(options.columns),
        duplicates=options.duplicates,
        min_popularity=options.min_popularity,
        shuffle=options.shuffle,
        seed=options.seed,
    )
    print(catalogue.report)
    print(f"writing {options.out} ...", file=sys.stderr)
    catalogue.save(options.out)
    print(f"{options.out}: {len(catalogue):,} tracks, fingerprint {catalogue.fingerprint}")


def _column_names(pairs: Sequence[str]) -> dict[str, str] | None:
    for pair in pairs:
        if "=" not in pair:
            raise ValueError(f"--columns {pair!r} must be ROLE=COLUMN, such as track_id=uri")
    return dict(pair.split("=", 1) for pair in pairs) or None


class _Parser(argparse.ArgumentParser):
    """Argparse that complains in one line."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(MISTAKE, f"{self.prog}: error: {message}; --help says what there is\n")


def _command(module: str, name: str) -> Run:
    """Run a command that is imported, with all it needs, only when it is called."""
    return lambda arguments, prog: guarded(
        lambda: getattr(import_module(module), name).parse(arguments, prog).run(), prog
    )


COMMANDS: dict[str, tuple[str, Run]] = {
    "prepare": ("read a table of songs, say what was found, write a catalogue that loads at once", _prepare),
    "train": ("train a learner and keep it in a run folder", _command("spotify_gym.training.commands", "TrainCommand")),
    "evaluate": (
        "score a trained model beside the policies that do not learn",
        _command("spotify_gym.training.commands", "EvaluateCommand"),
    ),
    "recommend": ("print what to play next", _command("spotify_gym.training.commands", "RecommendCommand")),
    "compare": (
        "score several trained models in the same sessions",
        _command("spotify_gym.training.commands", "CompareCommand"),
    ),
    "app": ("open a page to listen in", _command("spotify_gym.app.command", "AppCommand")),
}
"""The commands: what each is for, and how it runs."""


if __name__ == "__main__":
    sys.exit(main())
