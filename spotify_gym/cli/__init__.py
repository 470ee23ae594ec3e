"""The command `spotify-gym`: fetch, prepare, train, evaluate, recommend, compare, fit a listener, open the page."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from spotify_gym.cli.command import MISTAKE, Command, guarded

PROG = "spotify-gym"

COMMANDS: dict[str, tuple[str, str]] = {
    "prepare": ("spotify_gym.cli.prepare:Prepare", "read a table of songs, report what was found, write a catalogue"),
    "fetch": ("spotify_gym.cli.prepare:Fetch", "download a public table of songs"),
    "train": ("spotify_gym.cli.train:Train", "train a learner and save it in a run folder"),
    "evaluate": (
        "spotify_gym.cli.evaluate:Evaluate",
        "score a trained model and the reference policies on held-out sessions",
    ),
    "recommend": ("spotify_gym.cli.recommend:Recommend", "print the tracks that a trained model would play next"),
    "compare": ("spotify_gym.cli.evaluate:Compare", "score several trained models on the same held-out sessions"),
    "listener": (
        "spotify_gym.cli.listener:ListenerCommand",
        "fit a listener to a log of plays, or test it on a log",
    ),
    "app": ("spotify_gym.cli.app:App", "open a web page to listen with trained models"),
}
"""Commands by name: the path of the class, which is imported only when the command is called, and a description."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; return the exit code."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        return guarded(lambda: print(_usage()), PROG)
    if name == "--version":
        return guarded(lambda: print(PROG, version("spotify_gym")), PROG)
    if name not in COMMANDS:
        print(f"{PROG}: error: unknown command {name!r}; choose from {', '.join(COMMANDS)}", file=sys.stderr)
        return MISTAKE
    prog = f"{PROG} {name}"
    return guarded(lambda: _command(name).parse(rest, prog).run(), prog, extra="app" if name == "app" else "train")


def _command(name: str) -> type[Command]:
    module, _, kind = COMMANDS[name][0].partition(":")
    gc.disable()  # imports create no garbage, and collecting takes a fifth of the start-up time
    try:
        command: type[Command] = getattr(import_module(module), kind)
        gc.freeze()
    finally:
        gc.enable()
    return command


def _usage() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join([f"usage: {PROG} COMMAND ...", "", *lines, "", f"{PROG} COMMAND --help says more."])
