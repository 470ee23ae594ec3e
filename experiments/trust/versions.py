"""Run the tests on every Python at hand, and with the oldest libraries that pyproject.toml allows.

    python -m experiments.trust.versions
    python -m experiments.trust.versions --pythons 3.13 --tests tests/catalogue tests/session

Each gets an environment of its own, one after the other. What is missing on this machine is said and left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.trust.scratch import scratch
from spotify_gym.cli.command import Command, run_command

_PROG = "python -m experiments.trust.versions"
_ROOT = Path(__file__).resolve().parents[2]
_PYENV = Path("~/.pyenv/versions").expanduser()
_LEAST = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?>=(?P<version>[\w.]+)")
_TOLD = 4000  # characters of the output of what failed


class VersionError(ValueError):
    """The tests do not pass everywhere, or cannot be run."""


@dataclass(frozen=True)
class Versions(Command):
    """Make a fresh environment for each Python and run the quick tests in it."""

    pythons: tuple[str, ...] = ("3.11", "3.12", "3.13")
    """Versions, the oldest first."""
    lowest: bool = True
    """Try the lowest versions of all libraries too, on the oldest Python."""
    tests: tuple[str, ...] = ("tests",)
    """What pytest is to run."""

    def run(self) -> None:
        """Print a line per environment; fail where one does."""
        with scratch() as folder:
            lowest = folder / "lowest.txt"
            lowest.write_text("\n".join(lowest_of(_ROOT / "pyproject.toml")))
            attempts = [(version, _ROOT / "constraints.txt") for version in self.pythons]
            if self.lowest:
                attempts.append((self.pythons[0], lowest))
            failed = [not self._attempt(version, versions, folder) for version, versions in attempts]
        if any(failed):
            raise VersionError(f"{sum(failed)} of {len(failed)} environments failed")

    def _attempt(self, version: str, versions: Path, folder: Path) -> bool:
        """Say whether the tests pass with this Python and these versions of libraries."""
        name, began = f"Python {version}, {versions.name}", time.monotonic()
        if (python := found(version)) is None:
            print(f"{name}: there is no such Python here, and so it was not tried", flush=True)
            return True
        print(f"{name}: installing ...", file=sys.stderr, flush=True)
        environment = folder / f"{version}-{versions.stem}"
        try:
            tried = environment / "bin" / "python"
            _call([python, "-m", "venv", environment])
            _call([tried, "-m", "pip", "install", "-q", "--upgrade", "pip"])
            _call([tried, "-m", "pip", "install", "-q", "-c", versions, "-e", f"{_ROOT}[all]"])
            print(f"{name}: testing ...", file=sys.stderr, flush=True)
            # What old libraries warn of is not our affair; what the newest do is.
            warnings = ["-W", "default"] if versions.stem == "lowest" else []
            told = _call([tried, "-m", "pytest", "-q", "-p", "no:cacheprovider", *warnings, *self.tests])
        except subprocess.CalledProcessError as error:
            print(f"{name}: {' '.join(map(str, error.cmd))} failed\n{error.output[-_TOLD:]}", flush=True)
            return False
        finally:
            shutil.rmtree(environment, ignore_errors=True)
        print(f"{name}: {told.splitlines()[-1]}; {time.monotonic() - began:.0f} s with the set-up", flush=True)
        return True


def lowest_of(pyproject: Path) -> list[str]:
    """Return `name==version` for every library, at the lowest version that a project allows.

    Raises:
        VersionError: one is not given as name>=version.
    """
    project = tomllib.loads(pyproject.read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    pinned = []
    for requirement in wanted:
        if requirement.startswith(f"{project['name']}["):
            continue
        if (least := _LEAST.fullmatch(requirement)) is None:
            raise VersionError(f"{requirement!r} in {pyproject} should be name>=version")
        pinned.append(f"{least['name']}=={least['version']}")
    return pinned


def found(version: str) -> Path | None:
    """Return a Python of this version, from the path or from pyenv."""
    on_path = shutil.which(f"python{version}")
    candidates = [*([Path(on_path)] if on_path else []), *sorted(_PYENV.glob(f"{version}.*/bin/python"))]
    for python in candidates:
        asked = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
        if asked.returncode == 0 and asked.stdout.startswith(f"Python {version}."):
            return python
    return None


def _call(command: Sequence[str | Path]) -> str:
    """Run a program in the project's folder and return what it said, errors included."""
    return subprocess.run(  # noqa: S603
        list(map(str, command)),
        cwd=_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout


if __name__ == "__main__":
    sys.exit(run_command(Versions, _PROG))
