"""The reference page of the command line names what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest

from itsm_workflow import Workflow
from itsm_workflow.cli import decide
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


@pytest.mark.parametrize(
    "command",
    [
        *(decide.settle, decide.withdraw, decide.accept_after_withdrawal, decide.resend, decide.abandon),
        *(decide.record_ticket, decide.attest_approval, decide.clear_attention),
    ],
    ids=lambda command: str(command.name),
)
def test_an_option_of_an_act_is_an_argument_of_its_method(command: click.Command) -> None:
    """What is typed is passed on by name, and every argument without a default is asked for."""
    arguments = inspect.signature(getattr(Workflow, str(command.name).replace("-", "_"))).parameters
    options = {str(one.name): one.required for one in command.params} | {"self": True, "change_id": True}
    own = {"name", "in_json", "store", "app", "language"}
    assert set(options) - own <= set(arguments)
    assert {name for name, one in arguments.items() if one.default is one.empty} <= {*filter(options.get, options)}


def test_the_page_lists_every_exit_code() -> None:
    """Each has its row."""
    assert [int(code) for code in re.findall(r"^\| ([0-9]+) \|", PAGE, flags=re.MULTILINE)] == [
        code.value for code in Exit
    ]
