"""The Chinese texts of the app: every text has one, and the compiled file is the one that was written."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import itsm_workflow.integrations.django as app

ROOT = Path(app.__file__).parent
CATALOG = ROOT / "locale" / "zh_Hans" / "LC_MESSAGES"
FUNCTIONS = {"_", "gettext", "gettext_lazy", "gettext_noop"}


def texts_of_code() -> set[str]:
    """Return the texts that the modules pass to Django's translation."""
    calls = [
        node
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS
    ]
    return {str(ast.literal_eval(call.args[0])) for call in calls}


def texts_of_templates() -> set[str]:
    """Return the texts of the templates that Django's own admin does not translate."""
    pages = [path.read_text(encoding="utf-8") for path in ROOT.rglob("*.html")]
    assert not [page for page in pages if "blocktrans" in page]  # this test does not read such a block
    return {text for page in pages for _, text in re.findall(r"{% translate (['\"])(.*?)\1", page)} - {"Home"}


def written() -> dict[str, str]:
    """Return the translations as they are written, each text on one line."""
    lines = re.findall(r'^msgid "(.+)"\nmsgstr "(.*)"$', (CATALOG / "django.po").read_text("utf-8"), re.MULTILINE)
    return {ast.literal_eval(f'"{text}"'): ast.literal_eval(f'"{translated}"') for text, translated in lines}


def test_every_text_has_a_translation() -> None:
    """With the same places for values, and every translation has a text."""
    assert set(written()) == texts_of_code() | texts_of_templates()
    assert [text for text, translated in written().items() if not translated] == []
    place = re.compile(r"%\(\w+\)s|%s")
    assert [
        text
        for text, translated in written().items()
        if sorted(place.findall(text)) != sorted(place.findall(translated))
    ] == []


def test_the_compiled_file_is_that_of_the_text() -> None:
    """If it is not: ``pybabel compile -i django.po -o django.mo -l zh_Hans``."""
    with (CATALOG / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {text: compiled.gettext(text) for text in written()} == written()
