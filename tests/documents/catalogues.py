"""The Chinese documentation: a catalogue for each page, with a sentence of Chinese for each one of English.

`python -m tests.documents.catalogues FOLDER` compares the catalogues with the templates that Sphinx has written into
FOLDER, and ends with 1 if a sentence is missing. `make docs` runs it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages import pofile

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

CATALOGUES = Path(__file__).parents[2] / "docs/locale/zh_CN/LC_MESSAGES"
IN_ENGLISH_ONLY = {"changelog"}
"""The changelog is a record of each change in the words of the person who made it."""
THEME = "sphinx"
"""The catalogue of the theme's own words, such as `Next`: Sphinx reads the file of that name, and it is no page."""


def read(path: Path) -> Catalog:
    """Return a catalogue or a template."""
    with path.open("rb") as file:
        return pofile.read_po(file, locale="zh_CN", ignore_obsolete=True)


def pages(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the names of their pages, without the pages that are written in Chinese."""
    found = {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.po*"))}
    left_out = {*IN_ENGLISH_ONLY, THEME}
    return {page: path for page, path in found.items() if not page.startswith("zh/") and page not in left_out}


def sentences(path: Path) -> dict[str, str]:
    """Return each sentence of a catalogue with its translation, which is empty while it is fuzzy."""
    return {str(one.id): "" if one.fuzzy else str(one.string) for one in read(path) if one.id}


def differences(templates: Path, catalogues: Path = CATALOGUES) -> list[str]:
    """Return what is missing from the catalogues, and what they hold that no page has any more."""
    wanted, had = pages(templates), pages(catalogues)
    found = [f"{page}: no page has that name" for page in had.keys() - wanted.keys()]
    for page, path in wanted.items():
        translated = sentences(had[page]) if page in had else {}
        asked = sentences(path)
        found += [f"{page}: not translated: {each}" for each in asked if not translated.get(each)]
        found += [f"{page}: no longer in the page: {each}" for each in translated if each not in asked]
    return found


def code_in(text: str) -> set[str]:
    """Return the code in a sentence, with its marks."""
    return set(re.findall(r"`+[^`]+`+", text))


def links_in(text: str) -> list[str]:
    """Return the targets of a sentence's links."""
    return sorted(re.findall(r"\]\(([^)]*)\)", text))


if __name__ == "__main__":
    missing = differences(Path(sys.argv[1]))
    if missing:
        missing.append("`make catalogues` brings docs/locale up to date; translate what is empty or fuzzy there")
    sys.exit("\n".join(missing) or 0)
