"""The examples' pages show their tables, and all of their code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.examples.pages import HOW_TO, PAGES, renewed

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HOSTS = [HOW_TO / "example-flask.md", HOW_TO / "example-fastapi.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_graph_is_that_of_the_table(path: Path) -> None:
    """A picture that is out of date misleads."""
    page = path.read_text(encoding="utf-8")
    assert page.count("```mermaid\n") == 1
    assert page == renewed(page, PAGES[path])


@pytest.mark.parametrize("path", [*PAGES, *HOSTS], ids=lambda path: path.stem)
def test_the_page_shows_each_part_of_the_program(path: Path) -> None:
    """Part by part, in its order, each to where the next one begins."""
    page = path.read_text(encoding="utf-8")
    (module,) = set(re.findall(r"\{literalinclude\} \.\./examples/([\w/]+\.py)", page))
    parts = re.findall(r"^# -+ (.*)$", (EXAMPLES / module).read_text(encoding="utf-8"), flags=re.MULTILINE)
    shown = re.findall(r'^:start-after: "--- (.*)"\n(?::end-before: "--- (.*)"\n)?', page, flags=re.MULTILINE)
    assert shown == list(zip(parts, [*parts[1:], ""], strict=True))


def test_the_hosts_in_flask_and_fastapi_show_the_same_pages() -> None:
    """Each example is complete in its folder, and a template that is improved in one is improved in both."""
    flask, fastapi = (
        {path.name: path.read_text(encoding="utf-8") for path in (EXAMPLES / folder / "templates").iterdir()}
        for folder in ("flask_host", "fastapi_host")
    )
    assert set(flask) == {"index.html", "collector.html", "message.html"}
    assert flask == fastapi


def test_the_page_of_the_django_host_shows_its_app() -> None:
    """All modules but those that every project of Django has."""
    page = (HOW_TO / "example-django.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\{literalinclude\} \.\./examples/django_host/shop/(\w+)\.py", page))
    written = {path.stem for path in (EXAMPLES / "django_host" / "shop").glob("*.py")}
    assert written - shown == {"__init__", "wsgi"}
