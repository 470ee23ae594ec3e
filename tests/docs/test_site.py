"""The pages as `make docs` built them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build" / "site"
ASKED = re.compile(r"""<(?:script|img|iframe|video|source|link)\b[^>]*?\b(?:src|href)=["']?(https?:)?//""")


def test_pages__ask_no_other_machine_for_anything() -> None:
    pages = list(SITE.rglob("*.html"))
    assert len(pages) > 15
    asking = [page.name for page in pages if ASKED.search(page.read_text())]
    assert not asking


def test_equations__are_mathml() -> None:
    methods = (SITE / "methods.html").read_text()
    assert methods.count("<math") > 10
    assert "\\(" not in methods
    assert "\\[" not in methods


def test_notebooks__are_stored_without_outputs_and_shown_with_their_plots() -> None:
    stored = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    assert len(stored) == 4
    for file in stored:
        cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in cells)
        page = (SITE / "notebooks" / f"{file.stem}.html").read_text()
        assert page.count(f"{file.stem}-1.png") == 1
        assert list((SITE / "notebooks").glob(f"{file.stem}-*.png"))
