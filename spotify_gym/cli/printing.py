"""Text for a terminal: names from a table show as they are, whatever they hold."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spotify_gym.catalogue.errors import printable

_WIDTH = 120  # columns, where the output is no terminal and so has no width of its own


def show_table(title: str, columns: Mapping[str, Literal["left", "right"]], rows: Iterable[Iterable[str]]) -> None:
    """Print a table to stdout; `columns` are their names and on which side they are flush."""
    table = Table(title=Text(printable(title)), title_justify="left")
    for name, side in columns.items():
        table.add_column(Text(name), justify=side)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
