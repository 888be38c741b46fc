"""The examples below the help of each command: every command has one, and takes what it shows."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
import rich_click as click

from itsm_workflow.cli.app import group
from itsm_workflow.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def commands(within: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield the commands that do something, by their names."""
    for name, command in within.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(group))
HELP = ["-h", "--help"]
"""The names of the help, as the group gives them: click remembers those of a command's first context."""


def test_each_command_has_an_example_and_each_example_a_command() -> None:
    """A new command needs one."""
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("name", "arguments"), [(name, arguments) for name, lines in EXAMPLES.items() for arguments in lines]
)
def test_a_command_takes_the_arguments_of_its_example(
    name: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a shell would pass them: its options are known, and their values are of the right kind."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(arguments)
    for file in (word for word in words if word.endswith(".csv")):
        (tmp_path / file).write_text("subject,sn,status\n", encoding="utf-8")
    depth = len(name.split())
    assert words[:depth] == name.split()
    with COMMANDS[name].make_context(name, words[depth:], help_option_names=HELP) as context:
        assert context.params


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_shows_the_examples_a_line_each(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On a page that is wide enough."""
    make = COMMANDS[name].make_context
    with make(name, [], resilient_parsing=True, terminal_width=250, help_option_names=HELP) as ctx:
        shown = COMMANDS[name].get_help(ctx) or capsys.readouterr().out
    lines = [line.strip() for line in shown.splitlines()]
    assert all(f"itsm-workflow {arguments}" in lines for arguments in EXAMPLES[name])
