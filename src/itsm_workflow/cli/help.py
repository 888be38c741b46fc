"""The help of the commands in the language of what people read. Commands without a Chinese text keep the English."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.help_phrases import EPILOGS, HELP, PANELS
from itsm_workflow.cli.language import of_environment, typed_language

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HELP = ["-h", "--help"]
_CONFIG = "rich_help_config"
_TITLES = {"options_panel_title": "选项", "commands_panel_title": "命令"}
_IN_ENGLISH = {"options_panel_title": "Options", "commands_panel_title": "Commands"}
"""For the commands of authors, which would inherit the titles of their group."""


def language_of_help(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the language of the help: the one that was typed, otherwise that of the locale."""
    return typed_language(arguments) or of_environment(environ)


@contextlib.contextmanager
def helped(group: click.Group, language: str) -> Iterator[None]:
    """Give a group and its commands their help in a language until the end of the block."""
    with contextlib.ExitStack() as stack:
        if language == "zh":
            _translate(stack, "", group)
        yield


def _translate(stack: contextlib.ExitStack, path: str, command: click.Command) -> None:
    if path in HELP:
        _set(stack, command, "help", HELP[path])
        if command.epilog:
            first, separator, rest = command.epilog.partition("\n")
            _set(stack, command, "epilog", f"{EPILOGS.get(first, first)}{separator}{rest}")
        _set(stack, command, "context_settings", _settings(command, _TITLES))
        asked = command.get_help_option(click.Context(command, help_option_names=_HELP))
        for param in [*command.params, *([asked] if asked else [])]:
            name = max(param.opts, key=len)
            text = HELP.get(f"{path} {name}", HELP.get(name))
            if isinstance(param, click.Option) and text is not None:
                _set(stack, param, "help", text)
    else:
        _set(stack, command, "context_settings", _settings(command, _IN_ENGLISH))
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            _translate(stack, f"{path} {name}".strip(), one)


def _settings(command: click.Command, titles: Mapping[str, str]) -> dict[str, object]:
    """Return the settings of a command with these titles, and those of its groups in Chinese."""
    settings = dict(command.context_settings)
    config = dict(settings.get(_CONFIG, {}))
    groups = {
        name: [{**panel, "name": PANELS.get(panel["name"], panel["name"])} for panel in panels]
        for name, panels in config.get("command_groups", {}).items()
    }
    return {**settings, _CONFIG: {**config, **titles, **({"command_groups": groups} if groups else {})}}


def _set(stack: contextlib.ExitStack, holder: object, name: str, value: object) -> None:
    """Set an attribute until the end of the stack, since a process may run several commands."""
    stack.callback(setattr, holder, name, getattr(holder, name))
    setattr(holder, name, value)
