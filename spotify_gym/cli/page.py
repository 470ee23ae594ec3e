"""Reports of tables, sentences and pictures, as Markdown and as one self-contained HTML file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from spotify_gym.catalogue.files import replacing

Section = tuple[str, pd.DataFrame | Sequence[str] | bytes]
"""A heading, and either a table of texts, or sentences, or a PNG picture, which Markdown omits."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: white; border-radius: 6px; }
code { background: #8882; padding: .1rem .3rem; border-radius: 4px; }
"""


def write(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write the page as `.md` and `.html` at `path` with its ending replaced.

    Returns:
        Path of the HTML file.
    """
    for ending, lines in ((".md", markdown(sections)), (".html", _html(title, sections))):
        with replacing(path.with_suffix(ending)) as file:
            file.write("\n".join(lines).encode())
    return path.with_suffix(".html")


def markdown(sections: Sequence[Section]) -> Iterator[str]:
    """Yield the sections in Markdown."""
    for heading, content in sections:
        if isinstance(content, pd.DataFrame):
            yield f"### {heading}\n\n{markdown_table(content)}\n"
        elif not isinstance(content, bytes):
            yield "\n".join([f"### {heading}\n", *(f"- {one}" for one in content), ""])


def markdown_table(table: pd.DataFrame) -> str:
    """Return a table of texts in Markdown, with all columns but the first right-aligned."""
    rows = (map(str, row) for row in table.itertuples(index=False))
    lines = [f"| {' | '.join(table.columns)} |", "|---" + "|---:" * (len(table.columns) - 1) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _html(title: str, sections: Sequence[Section]) -> Iterator[str]:
    title = html.escape(title)
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
    yield f"<meta name=viewport content='width=device-width'><h1>{title}</h1>"
    for heading, content in sections:
        heading = html.escape(heading)
        if isinstance(content, bytes):
            yield f"<p><img alt='{heading}' src='data:image/png;base64,{base64.b64encode(content).decode()}'></p>"
        elif isinstance(content, pd.DataFrame):
            with pd.option_context("display.max_colwidth", None):
                yield f"<h2>{heading}</h2>{content.to_html(index=False, border=0)}"
        else:
            yield f"<h2>{heading}</h2><ul>{''.join(f'<li>{html.escape(one)}</li>' for one in content)}</ul>"
    yield "</html>"
