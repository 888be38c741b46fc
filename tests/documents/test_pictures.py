"""The pictures of the documentation show the present code, and a page shows each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.pictures import FOLDER, PICTURES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_from_the_present_code(name: str) -> None:
    """If not, `make pictures` draws it again."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PICTURES[name]().rstrip("\n") + "\n"


def shows(text: str, name: str) -> bool:
    """Return whether the pages show a picture, in one language or in both."""
    return any(f"pictures/{one}" in text for one in (name, name.replace("-zh.", ".")))


def test_every_picture_is_shown_on_a_page() -> None:
    """In a README or in the documentation; one in Chinese takes the place of its namesake there."""
    pages = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if "_build" not in page.parts)
    assert [one.name for one in sorted(FOLDER.iterdir()) if not shows(text, one.name)] == []
