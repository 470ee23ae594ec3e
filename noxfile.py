"""The quick tests on every Python at hand, and with the oldest libraries that pyproject.toml allows: `make versions`.

`nox -s "tests-3.13" -- tests/catalogue` tries one Python and some tests. What is missing on this machine is skipped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
PYENV = Path("~/.pyenv/versions").expanduser()

nox.options.sessions = ["tests", "lowest", "wheel"]
os.environ["PATH"] = os.pathsep.join([*(str(found / "bin") for found in PYENV.glob("3.*")), os.environ["PATH"]])
os.environ["OMP_NUM_THREADS"] = "1"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests with the versions of constraints.txt."""
    session.install("-c", "constraints.txt", "-e", ".[all]")
    session.run("pytest", "-q", "-p", "no:cacheprovider", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions; what old libraries warn of is not our affair."""
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text("\n".join(lowest_versions(nox.project.load_toml("pyproject.toml")["project"])))
    session.install("-c", str(constraints), "-e", ".[all]")
    session.run("pytest", "-q", "-p", "no:cacheprovider", "-W", "default", *session.posargs)


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """Build the wheel, look at it as a package index would, and use it where there is no checkout."""
    constraints, there = Path("constraints.txt").absolute(), Path(session.create_tmp()).absolute()
    dist = there / "dist"
    shutil.rmtree(dist, ignore_errors=True)  # of another version
    session.install("-c", str(constraints), "build", "hatchling", "twine")
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    (built,) = dist.glob("*.whl")
    script = Path("tests/wheel.py").absolute()
    with session.chdir(there):
        session.install("-c", str(constraints), str(built))
        session.run("python", str(script), "bare")
        session.install("-c", str(constraints), f"{built}[app,video]")
        session.run("python", str(script), "whole")


def lowest_versions(project: dict[str, Any]) -> list[str]:
    """Return `name==version` for every library of a project.

    Raises:
        ValueError: one is not given as name>=version.
    """
    extras = project["optional-dependencies"].values()
    wanted = map(Requirement, [*project["dependencies"], *(one for extra in extras for one in extra)])
    pinned = []
    for requirement in wanted:
        if requirement.name == project["name"]:
            continue
        bounds = [bound for bound in requirement.specifier if bound.operator == ">="]
        if len(bounds) != 1:
            raise ValueError(f"{str(requirement)!r} in pyproject.toml should be name>=version")
        pinned.append(f"{requirement.name}=={bounds[0].version}")
    return pinned
