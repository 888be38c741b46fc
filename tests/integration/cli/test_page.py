"""The reference page of the command line names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import click

from itsm_workflow.cli.app import group
from itsm_workflow.cli.exits import Exit

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")


def commands(found: click.Command, path: str = "") -> dict[str, click.Command]:
    """Return every command by what is typed for it."""
    if not isinstance(found, click.Group):
        return {path: found}
    return {
        name: each
        for word, below in found.commands.items()
        for name, each in commands(below, f"{path} {word}".strip()).items()
    }


def test_the_page_names_every_command() -> None:
    """With its arguments, as its own row or sentence."""
    missing = []
    for name, command in commands(group).items():
        arguments = [
            str(one.make_metavar(click.Context(command))) for one in command.params if isinstance(one, click.Argument)
        ]
        if f"`{' '.join([name, *arguments])}`" not in PAGE:
            missing.append(name)
    assert missing == []


def test_the_page_names_every_option() -> None:
    """No option is found by ``--help`` alone."""
    options = {
        option
        for command in commands(group).values()
        for one in command.params
        if isinstance(one, click.Option)
        for option in one.opts
        if option.startswith("--")
    }
    assert sorted(option for option in options if f"`{option}" not in PAGE) == []


def test_the_page_names_no_option_that_there_is_not() -> None:
    """What is typed after the page works."""
    known = {option for command in commands(group).values() for one in command.params for option in one.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - known - {"--help"} == set()


def test_the_page_tells_every_exit_code() -> None:
    """Each has its row."""
    assert [int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, flags=re.MULTILINE)] == [
        code.value for code in Exit
    ]
