"""The report on a table that was read, and the error raised if it cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN_LINES = 5
SHOWN_CHARACTERS = 60


def printable(text: str) -> str:
    r"""Return the text with unprintable characters, such as terminal escapes, replaced; line breaks are kept.

    >>> printable("a title \x1b[2J that clears the screen")
    'a title \ufffd[2J that clears the screen'
    """
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


class CatalogueError(ValueError):
    """A table or file cannot be made a catalogue; the message says why and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Finding:
    """One thing that was found in a table, and the rows that have it."""

    what: str
    rows: int  # how many
    lines: tuple[int, ...] = ()  # the first few, counted from 1: lines of a text file, otherwise rows
    first: str = ""  # the value in the first of them

    @classmethod
    def at(cls, what: str, lines: Iterable[int], first: str = "") -> Finding:
        """Make a finding of all its lines; it stores their number and the first few."""
        every = [int(line) for line in lines]
        return cls(what, len(every), tuple(every[:SHOWN_LINES]), first[:SHOWN_CHARACTERS])

    def describe(self, unit: str) -> str:
        """Return the finding in words; ``unit`` is "line" or "row"."""
        where = ", ".join(map(str, self.lines)) + (", ..." if self.rows > len(self.lines) else "")
        return f"{self.rows:,} × {self.what} ({unit} {where})" + (f", first {self.first}" if self.first else "")


@dataclass(frozen=True)
class Report:
    """How a table was made a catalogue: it accounts for everything that was left out."""

    rows: int  # rows read, the header not counted: tracks kept + rows folded + rows dropped
    tracks: int  # tracks kept
    columns: tuple[tuple[str, str], ...] = ()  # (role or feature, name of its column in the table)
    folded: tuple[Finding, ...] = ()  # rows merged into a track that is kept, one finding per reason
    dropped: tuple[Finding, ...] = ()  # rows left out, one finding per reason
    notes: tuple[str, ...] = ()  # what a user should know
    warnings: tuple[str, ...] = ()  # what a user should check before using the catalogue
    ranges: tuple[tuple[str, float, float], ...] = ()  # (feature, smallest, largest), raw
    unit: str = "line"  # of the places in findings: "line" or "row"

    @property
    def verdict(self) -> str:
        """The warnings in one line, or "ok" if there are none."""
        return f"warning: {'; '.join(map(str, self.warnings))}" if self.warnings else "ok"

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows read, {self.tracks:,} tracks kept"]
        lines += [f"  merged   {finding.describe(self.unit)}" for finding in self.folded]
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
        """Rebuild a report from its fields as JSON values; values that cannot be printed raise here, and not later."""
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
    """The findings collected while a table is read, from which the `Report` is made."""

    unit: str = "row"  # of the places in findings: "line" or "row"
    columns: dict[str, str] = field(default_factory=dict)  # role or feature: its column
    folded: list[Finding] = field(default_factory=list)
    dropped: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def drop(self, why: str, places: Iterable[int], first: str = "") -> None:
        """Record why the rows at ``places`` are left out, if there are any."""
        if (finding := Finding.at(why, places, first)).rows:
            self.dropped.append(finding)
