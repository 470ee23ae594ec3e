"""Stable-Baselines3's own tests of its `DQN`, run with each learner of this package in its place.

Run `SB3_TESTS=stable-baselines3/tests make peers` with a checkout or source distribution of the installed version;
nothing is downloaded. This is a script and not a module of `tests`, since SB3's tests use that name.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm

from spotify_gym import algorithms

PEERS = {
    "stock": stable_baselines3.DQN,
    **{name: getattr(algorithms, name) for name in algorithms.__all__ if "DQN" in name},
}


class InThePlaceOfDQN:
    """A pytest plugin that selects the tests that use `DQN`, except those that look for a folder named `DQN_1`."""

    def __init__(self, learner: type[BaseAlgorithm]) -> None:
        self.learner = stable_baselines3.DQN = learner
        self.left_out: list[str] = []

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Function]) -> None:
        chosen = [item for item in items if self.uses_it(item)]
        if self.learner is not PEERS["stock"]:
            named = [item for item in chosen if '"DQN_1"' in inspect.getsource(item.function)]
            self.left_out += [item.nodeid for item in named]
            chosen = [item for item in chosen if item not in named]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def uses_it(self, item: pytest.Function) -> bool:
        arguments = item.callspec.params.values() if hasattr(item, "callspec") else ()
        learners = [one for one in arguments if inspect.isclass(one) and issubclass(one, BaseAlgorithm)]
        return self.learner in learners if learners else "DQN(" in inspect.getsource(item.function)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test in self.left_out:
            terminalreporter.write_line(f"left out, since it looks for a folder called DQN_1: {test}")


def check(name: str, tests: Path) -> int:
    """Run the tests with one learner; return pytest's exit status."""
    files = [file for file in sorted(tests.glob("test_*.py")) if "DQN" in file.read_text()]
    for file in files.copy():
        if "import ale_py" in file.read_text() and importlib.util.find_spec("ale_py") is None:
            print(f"left out, since ale_py is not installed: {file.name}")
            files.remove(file)
    options = ["-q", "-p", "no:cacheprovider", "-W", "default", f"--rootdir={tests.parent}"]
    return pytest.main([*map(str, files), *options], plugins=[InThePlaceOfDQN(PEERS[name])])


def main() -> None:
    """Run the tests with each learner, each in a process of its own."""
    tests = Path(os.environ.get("SB3_TESTS", "no checkout")).resolve()
    if not (tests / "test_identity.py").is_file():
        sys.exit("set SB3_TESTS to the folder `tests` of a checkout of Stable-Baselines3")
    version = tests.parent / "stable_baselines3" / "version.txt"
    if version.is_file() and version.read_text().strip() != stable_baselines3.__version__:
        sys.exit(f"these are tests of {version.read_text().strip()}; {stable_baselines3.__version__} is installed")
    failed = []
    for name in PEERS:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, __file__, name], cwd=tests.parent, check=False).returncode:
            failed.append(name)
    sys.exit(f"failed with {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else sys.exit(check(sys.argv[1], Path(os.environ["SB3_TESTS"]).resolve()))
