"""The pages in Chinese: they are found, and each command in them can be typed."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from itsm_workflow.cli.app import group

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "zh").glob("*.md"))
TYPED = re.compile(
    r"^ *\$ (?:itsm-workflow|python manage\.py itsm) (.+?)(?: +#.*)?$|`itsm-workflow ([^`\n]+)`", re.MULTILINE
)


def commands_in(text: str) -> list[str]:
    """Return what the page says to type after the command's name, in its examples and in its sentences."""
    return [block or inline for block, inline in TYPED.findall(text)]


def problem_of(command: str) -> str | None:
    """Return why the command line refuses the words, or None; nothing is carried out."""
    found: click.Command = group
    words = shlex.split(command)
    while isinstance(found, click.Group) and words:
        name, *words = words
        below = found.commands.get(name)
        if below is None:
            return f"there is no command {name}"
        found = below
    try:
        found.make_context(str(found.name), words, help_option_names=["-h", "--help"])  # click remembers the first
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize(
    ("command", "is_fine"),
    [
        ("list --attention", True),
        ("storage verify sqlite:///changes.db", True),
        ("lst", False),
        ("list --atention", False),
        ("resend collector-42 --reason 'not there'", False),
        ("storage verfy sqlite:///changes.db", False),
    ],
)
def test_a_command_that_cannot_be_typed_is_found(command: str, is_fine: bool) -> None:  # noqa: FBT001
    """An unknown command, an unknown option, and an option that is missing."""
    assert (problem_of(command) is None) is is_fine


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_typed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all its options, in a folder with the table that some of them read."""
    (tmp_path / "tickets.csv").write_text("subject,sn,status\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    commands = commands_in(page.read_text(encoding="utf-8"))
    assert [(command, problem) for command in commands if (problem := problem_of(command))] == []


def test_every_page_is_in_the_index_under_its_caption() -> None:
    """In a list of its own, and at the top of the index for a reader who reads no English."""
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r":caption: 中文入门与值班\n\n((?:zh/[\w-]+\n)+)", index)
    assert [sorted(each.split()) for each in listed] == [[f"zh/{page.stem}" for page in PAGES]]
    assert re.search(r"^# .+\n\n.*中文.*\(zh/", index)


def test_the_first_page_says_what_the_package_declares() -> None:
    """The version and its stage, the oldest Python, and each extra."""
    declared = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (DOCS / "zh" / "scope.md").read_text(encoding="utf-8")
    stage = next(one for one in declared["classifiers"] if one.startswith("Development Status")).rpartition(" ")[2]
    oldest = declared["requires-python"].removeprefix(">=")
    assert f"| {declared['version']}，{stage}：" in text
    assert f"Python {oldest} 及以上" in text
    assert set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)) == set(declared["optional-dependencies"])


def test_no_link_is_said_to_lead_to_a_page_in_english() -> None:
    """Each page but the changelog is in Chinese."""
    texts = [page.read_text("utf-8") for page in [*PAGES, DOCS.parent / "README.zh-CN.md"]]
    assert [hit for text in texts for hit in re.findall(r"\[[^\]]*英文[^\]]*\]\(|（英文）|，英文）|英文页", text)] == []
