"""The tables of the pages come from the data beside them; a table of a page that changes is changed there too."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from experiments.lib.report import read_tables, write
from spotify_gym.cli.page import markdown_table

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "results").glob("*.md"))


def tables_in(text: str) -> list[str]:
    """Return the tables of a page, all columns but the first flush right, or so written."""
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
    (shown,) = (table for table in tables_in((ROOT / "README.md").read_text()) if table.startswith("| method |"))
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
    assert list(third) == ["method", "w", "x", "z"]  # as it was, though "x" came before
    assert first.to_dict("list") == {"method": ["a"], "x": ["1.50"]}
    assert second.to_dict("list") == {"method": ["b"], "z": ["NA"]}
