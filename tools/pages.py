"""Hooks of `mkdocs.yml`: pages that stand at the root of the project, and equations as MathML."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root of the project, README as the first page, and one of all examples."""
    for name in AT_THE_ROOT:
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "examples.md", content=_examples()))
    return files


def on_page_content(html_of_page: str, **_: Any) -> str:
    """Write equations as MathML, which browsers show by themselves."""
    return _EQUATION.sub(_mathml, html_of_page)


def _examples() -> str:
    """Return a page with each example: what its first line says, then the file."""
    parts = [
        "# Examples",
        "Each is run by a test. `python examples/NAME.py`, with the extras that its imports come with.",
    ]
    for file in sorted((ROOT / "examples").glob("*.py")):
        about, code = file.read_text().removeprefix('"""').split('"""', 1)
        parts += [f"## {file.stem}", about.strip(), f"```python\n{code.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _mathml(found: re.Match[str]) -> str:
    return convert(html.unescape(found[2]), display="block" if found[1] == "div" else "inline")
