"""MkDocs hooks: pages from outside `docs`, notebooks as pages, and equations as MathML."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
EXECUTED = ROOT / "build" / "notebooks"
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "CODE_OF_CONDUCT.md")
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root of the project (README is the first), a page of all examples, and the notebooks."""
    for name in AT_THE_ROOT:
        text = (ROOT / name).read_text().replace("](docs/", "](")
        files.append(File.generated(config, name, content=text))
    files.append(File.generated(config, "examples.md", content=_examples()))
    for source in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        if not (notebook := EXECUTED / source.name).exists():
            raise PluginError(f"{source.name} has not been executed; run `make docs`")
        for name, content in _pages_of(notebook):
            files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(text: str, **_: Any) -> str:
    """Rewrite links that lead out of `docs` in a checkout to the corresponding pages of the site."""
    text = re.sub(rf"\]\(((?:\.\./)*)\.\./({'|'.join(AT_THE_ROOT)})", r"](\1\2", text)
    text = text.replace("](../examples)", "](examples.md)")
    return re.sub(r"\]\(((?:\.\./)*)\.\./examples/(\w+)\.py\)", r"](\1examples.md#\2)", text)


def on_page_content(html_of_page: str, **_: Any) -> str:
    """Convert equations to MathML, which browsers render without scripts."""
    return _EQUATION.sub(_mathml, html_of_page)


def _examples() -> str:
    """Return a page with the docstring and the code of each example."""
    parts = [
        "# Examples",
        "A test runs each of them. To run one: `python examples/NAME.py`, with the extras that its imports need.",
    ]
    for file in sorted((ROOT / "examples").glob("*.py")):
        about, code = file.read_text().removeprefix('"""').split('"""', 1)
        parts += [f"## {file.stem}", about.strip(), f"```python\n{code.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _pages_of(notebook: Path) -> Iterator[tuple[str, str | bytes]]:
    """Yield the page of an executed notebook and its pictures, with their names in the site."""
    name, text, pictures = f"notebooks/{notebook.stem}", [], 0
    for cell in nbformat.read(notebook, as_version=4).cells:  # type: ignore[no-untyped-call]
        text.append(cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                pictures += 1
                yield f"{name}-{pictures}.png", base64.b64decode(data["image/png"])
                text.append(f"![Plot of the lines above]({notebook.stem}-{pictures}.png)")
            else:
                text.append(f"```text\n{data['text/plain'].rstrip()}\n```")
    yield f"{name}.md", "\n\n".join(text) + "\n"


def _mathml(found: re.Match[str]) -> str:
    return convert(html.unescape(found[2]), display="block" if found[1] == "div" else "inline")
