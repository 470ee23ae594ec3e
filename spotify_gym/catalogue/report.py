"""What was found in a table, in a form to print, to keep and to test; and the one error of this room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN_LINES = 5
SHOWN_CHARACTERS = 60


def printable(text: str) -> str:
    r"""Return the text with what a terminal would obey, such as escape sequences, replaced; lines stay lines.

    >>> printable("a title \x1b[2J that clears the screen")
    'a title \ufffd[2J that clears the screen'
    """
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


class CatalogueError(ValueError):
    """A table or a file cannot become a catalogue; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Finding:
    """One thing that was found in some rows of a table."""

    what: str
    rows: int
    lines: tuple[int, ...] = ()  # where the first few are: lines of a text, its first line being 1; else rows
    first: str = ""  # what stands there in the first of them

    @classmethod
    def at(cls, what: str, lines: Iterable[int], first: str = "") -> Finding:
        """Count the lines and keep the first few."""
        every = [int(line) for line in lines]
        return cls(what, len(every), tuple(every[:SHOWN_LINES]), first[:SHOWN_CHARACTERS])

    def describe(self, unit: str) -> str:
        """Say it in words, the places being lines or rows."""
        where = ", ".join(map(str, self.lines)) + (", ..." if self.rows > len(self.lines) else "")
        return f"{self.rows:,} × {self.what} ({unit} {where})" + (f", first {self.first}" if self.first else "")


@dataclass(frozen=True)
class Report:
    """How a table became a catalogue: nothing that was left out is left unsaid."""

    rows: int  # rows read, the header not counted: tracks kept + rows folded + rows dropped
    tracks: int  # tracks kept
    columns: tuple[tuple[str, str], ...] = ()  # (what it is for, name of the column in the table)
    folded: tuple[Finding, ...] = ()  # rows gathered into a track that is kept
    dropped: tuple[Finding, ...] = ()  # rows left out, one finding per reason
    notes: tuple[str, ...] = ()  # what a reader should know
    warnings: tuple[str, ...] = ()  # what a reader should look into before using the catalogue
    ranges: tuple[tuple[str, float, float], ...] = ()  # (feature, smallest, largest), raw
    unit: str = "line"  # what the findings' places count: "line" or "row"

    @property
    def verdict(self) -> str:
        """Say in one line whether the catalogue is what it should be."""
        return f"warning: {'; '.join(map(str, self.warnings))}" if self.warnings else "ok"

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows read, {self.tracks:,} tracks kept"]
        lines += [f"  folded   {finding.describe(self.unit)}" for finding in self.folded]
        lines += [f"  dropped  {finding.describe(self.unit)}" for finding in self.dropped]
        lines += [f"  note     {note}" for note in self.notes]
        lines += [f"  warning  {warning}" for warning in self.warnings]
        if self.columns:
            pairs = (role if role == column else f"{role} = {column!r}" for role, column in self.columns)
            lines.append(f"  columns  {', '.join(pairs)}")
        lines += [f"  range    {name:<17}{low:>10.4g} to {high:.4g}" for name, low, high in self.ranges]
        return printable("\n".join(lines))

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Report:
        """Rebuild a report from what JSON makes of its fields; one that could not be printed is a `ValueError`."""
        told: dict[str, Any] = {name: int(plain[name]) for name in ("rows", "tracks")}
        told |= {name: tuple(plain.get(name, ())) for name in ("notes", "warnings")}
        told |= {name: tuple(map(tuple, plain[name])) for name in ("columns", "ranges")}
        for name in ("folded", "dropped"):
            told[name] = tuple(Finding(**{**one, "lines": tuple(one["lines"])}) for one in plain[name])
        report = cls(**told, unit=plain["unit"])
        str(report)
        return report


@dataclass
class Account:
    """What is found while a table is read: each step adds to it, and the report is made of it."""

    unit: str = "row"  # what the places of findings count: "line" or "row"
    columns: dict[str, str] = field(default_factory=dict)  # role or feature: the column that serves it
    folded: list[Finding] = field(default_factory=list)
    dropped: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def drop(self, why: str, places: Iterable[int], first: str = "") -> None:
        """Say that rows are left out, if any are."""
        if (finding := Finding.at(why, places, first)).rows:
            self.dropped.append(finding)
