"""The pages as `make docs` built them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs

SITE = Path(__file__).parents[2] / "build" / "site"
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
