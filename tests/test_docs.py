"""The documentation is true: README, CONTRIBUTING, results, examples, built pages and allowed versions."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym
import numpy as np
import pandas as pd
import pytest

from experiments.lib.report import write
from noxfile import lowest_versions
from spotify_gym import Catalogue
from spotify_gym.cli import main
from spotify_gym.cli.page import markdown_table
from spotify_gym.training import evaluate

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_readme__its_start_has_twelve_lines_and_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 12
    exec(compile(code[1], "README.md", "exec"), {})
    shown = capsys.readouterr().out
    assert re.fullmatch(r"DoubleDQN: return \d+\.\d\d of 20\nNearestPolicy: return \d+\.\d\d of 20\n", shown)


def test_readme__is_short() -> None:
    assert len(README.splitlines()) < 120


# The tables of the pages are those of the data beside them: a change of one needs a change of the other.


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda page: page.stem)
def test_links__lead_somewhere_in_a_checkout(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link


PAGES = sorted((ROOT / "docs" / "results").glob("*.md"))


def read_tables(path: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield title and content, as texts, of each table in a `tables.csv`, without its empty columns."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    for title, of_table in rows.groupby("table", sort=False):
        table = of_table.drop(columns="table")
        yield str(title), table.loc[:, (table != "").any()]


def tables_in(text: str) -> list[str]:
    """Return the Markdown tables of a page, normalised: all columns but the first are right-aligned."""
    tables = re.findall(r"^\|.*\|\n\|-.*\|\n(?:\|.*\|\n?)+", text, re.MULTILINE)
    tables = [re.sub(r"\| (?=\|)", "|  ", table.strip()) for table in tables]  # empty cells
    return [re.sub(r"\n\|-.*", rule_of, table, count=1) for table in tables]


def rule_of(found: re.Match[str]) -> str:
    return "\n|---" + "|---:" * (found[0].count("|") - 2) + "|"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables__are_rebuilt_from_the_data(page: Path) -> None:
    rebuilt = [markdown_table(table) for _, table in read_tables(page.with_suffix(".csv"))]
    assert rebuilt
    assert rebuilt == tables_in(page.read_text())


def test_readme__says_what_the_results_say() -> None:
    _, overview = next(read_tables(ROOT / "docs" / "results" / "main.csv"))
    overview = overview.set_index("method").map(lambda text: text.partition(" ")[0])
    (shown,) = (table for table in tables_in(README) if table.startswith("| method |"))
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in shown.splitlines()]
    for name, *numbers in rows:
        assert numbers == overview.loc[name, [f"Spotify{env}-v0" for env in head[1:]]].tolist()


def test_tables__are_read_as_they_were_written(tmp_path: Path) -> None:
    tables = [
        ("one", pd.DataFrame({"method": ["a"], "x": ["1.50"]})),
        ("two", pd.DataFrame({"method": ["b"], "y": [""], "z": ["NA"]})),
        ("three", pd.DataFrame({"method": ["c"], "w": ["1"], "x": ["2"], "z": ["3"]})),
    ]
    write(tmp_path, tables, {})
    (one, first), (two, second), (_, third) = read_tables(tmp_path / "tables.csv")
    assert [one, two] == ["one", "two"]
    assert list(third) == ["method", "w", "x", "z"]  # in the order of this table
    assert first.to_dict("list") == {"method": ["a"], "x": ["1.50"]}
    assert second.to_dict("list") == {"method": ["b"], "z": ["NA"]}


# The code of CONTRIBUTING.md works: each block is saved as the file that it names, and used.

BLOCKS = dict(re.findall(r"```python\n# (\w+)\.py;[^\n]*\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL))
QUICK = ["--catalogue", "builtin:300", "--steps", "64", "--n-envs", "4", "--learning-starts", "16"]


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all files of the page: the current one, and the last on Python's path."""
    for name, code in BLOCKS.items():
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    return tmp_path


def test_page__shows_a_file_for_everything() -> None:
    assert BLOCKS.keys() == {f"my_{one}" for one in ("term", "listener", "algorithm", "state", "policy", "experiment")}


def test_reward_term(newcomer: Path, small: Catalogue) -> None:
    reward = {"flow": 1.0, "my_term:change": 0.5}
    env = gym.make("SpotifyPlaylist-v0", catalogue=small, reward=reward)
    env.reset(seed=0)
    expected = env.unwrapped.dynamics.expected_rewards(env.unwrapped.sessions)[0]  # type: ignore[attr-defined]
    _, earned, _, _, info = env.step(7)
    assert info["my_term:change"] == pytest.approx(0.5 * (1 - abs(info["cosine"])), abs=1e-6)
    assert earned == pytest.approx(expected[7], abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        ["--listener", "my_listener:BusyListener"],
        ["--algorithm", "my_algorithm:ClippedDQN"],
        ["--state", "mean+my_state:Clock"],
        ["--reward", "flow=1", "my_term:change=0.5"],
    ],
    ids=["listener", "algorithm", "state", "reward"],
)
def test_train__takes_ones_own_which_is_loaded_where_it_is_trusted(
    newcomer: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *QUICK, *options, "--out", "run"]) == 0
    assert main(["evaluate", "run", "--sessions", "2"]) == 2
    assert "pass --trust" in capsys.readouterr().err
    assert main(["evaluate", "run", "--sessions", "2", "--trust"]) == 0


def test_policy(newcomer: Path, small: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(newcomer)
    import my_policy  # type: ignore[import-not-found]

    played = evaluate(my_policy.FirstPolicy, "SpotifySession-v0", 3, catalogue=small)
    np.testing.assert_array_equal(played.tracks, np.tile(np.arange(20), (3, 1)))


def test_column(newcomer: Path) -> None:
    features = "acousticness,danceability,umph,instrumentalness,liveness,loudness,speechiness,tempo,valence"
    rows = "\n".join(f"id{i}" + f",0.{i}" * 9 for i in range(1, 8))
    Path("songs.csv").write_text(f"track_id,{features}\n{rows}\n")
    assert main(["prepare", "songs.csv", "--columns", "energy=umph", "--out", "songs.arrow"]) == 0
    assert len(Catalogue.load("songs.arrow")) == 7


def test_experiment(newcomer: Path) -> None:
    few = ["--n-seeds", "2", "--n-sessions", "4", "--gammas", "0.0", "0.5"]
    command = [sys.executable, "-m", "my_experiment", *QUICK, *few, "--out", "out", "--jobs", "1"]
    paths = os.pathsep.join([str(newcomer), str(ROOT)])
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": paths})
    assert "γ = 0.5" in told.stdout
    assert (newcomer / "out" / "results.parquet").exists()


# The examples, run in processes of their own.

SAYS = {
    "cleanrl_style": r"first 40 sessions: (-?\d+\.\d+), of the last 40: (-?\d+\.\d+)",
    "custom_listener": r"RandomPolicy: (\d+\.\d) fast tracks.*\nNearestPolicy: (\d+\.\d) fast tracks in 20\.0",
    "custom_reward": r"0\.0 for discovery: .* \d+ of 100\n0\.5 for discovery: .* \d+ of 100",
    "many_seeds_with_dask": r"two runs: \d+\.\d\d ± \d\.\d{4}",
    "maskable_ppo": r"MaskablePPO: return .*, 0% repeats\nrandom: return .*, 0% repeats",
    "minari_out_and_in": r"10 sessions, 200 tracks, mean return \d+\.\d\d\none session: \(21, 18\) \(20,\) float",
    "recommend": r"(\+\d\.\d\d to the vibe: .*\n){5}",
    "recurrent_ppo": r"RecurrentPPO: \d+\.\d tracks heard out a session",
    "tianshou_dqn": r"tianshou: return -?\d+\.\d\d of 20",
    "tune_with_optuna": r"best settings: .*\nbest: return \d+\.\d\d .*\ndefault: return \d+\.\d\d",
}
"""A regular expression of what each example prints."""
RISES = {"cleanrl_style", "custom_listener"}
"""The examples whose second number must be larger than the first."""


def test_examples__are_ten_short_files() -> None:
    files = {file.stem: file.read_text() for file in (ROOT / "examples").glob("*.py")}
    assert files.keys() == SAYS.keys()
    assert all(len(text.splitlines()) < 60 for text in files.values())


@pytest.mark.parametrize("name", SAYS)
def test_example__does_what_it_says(name: str, tmp_path: Path) -> None:
    if name == "tianshou_dqn" and find_spec("tianshou") is None:
        pytest.skip("tianshou 2 is not installed: it wants an older pandas than the one this project is tried with")
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    told = subprocess.run(
        [sys.executable, str(ROOT / "examples" / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert told.returncode == 0, told.stderr
    said = re.search(SAYS[name], told.stdout)
    assert said, told.stdout
    if name in RISES:
        assert float(said[1]) < float(said[2])


# The pages as `make docs` built them.

SITE = ROOT / "build" / "site"
ASKED = re.compile(r"""<(?:script|img|iframe|video|source|link)\b[^>]*?\b(?:src|href)=["']?(https?:)?//""")


@pytest.mark.docs
def test_pages__ask_no_other_machine_for_anything() -> None:
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 15
    asking = [page.name for page in pages if ASKED.search(page.read_text())]
    assert not asking


@pytest.mark.docs
def test_equations__are_mathml() -> None:
    methods = (SITE / "methods.html").read_text()
    assert methods.count("<math") > 10
    assert "\\(" not in methods
    assert "\\[" not in methods


@pytest.mark.docs
def test_notebooks__are_stored_without_outputs_and_shown_with_their_plots() -> None:
    stored = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    assert len(stored) == 4
    for file in stored:
        cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
        page = (SITE / "notebooks" / f"{file.stem}.html").read_text()
        assert page.count(f"{file.stem}-1.png") == 1
        assert list((SITE / "notebooks").glob(f"{file.stem}-*.png"))


# The oldest libraries that `make versions` tries are those that the project allows.


def test_lowest_versions__are_what_the_project_allows() -> None:
    lowest = lowest_versions(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])
    assert "stable-baselines3==2.7" in lowest
    assert all("==" in one for one in lowest)


def test_lowest_versions__refuse_what_names_none() -> None:
    with pytest.raises(ValueError, match=r"'numpy<3' in pyproject\.toml should be name>=version"):
        lowest_versions({"name": "x", "dependencies": ["numpy<3"], "optional-dependencies": {}})
