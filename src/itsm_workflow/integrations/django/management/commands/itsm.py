"""The command ``manage.py itsm``: the commands of ``itsm-workflow``, with the project's settings and workflow."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from itsm_workflow.cli import main
from itsm_workflow.cli.places import APP_VARIABLE
from itsm_workflow.integrations.django import process
from itsm_workflow.integrations.django.settings import variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DJANGO_OPTIONS = ("--settings", "--pythonpath")
_APP = f"{process.__name__}:{process.open_workflow.__name__}"


class Command(BaseCommand):
    """Passes its arguments on to the command line."""

    help = "The commands of itsm-workflow, with the project's settings and workflow: manage.py itsm list"
    requires_system_checks: Sequence[str] = ()

    def run_from_argv(self, argv: Sequence[str]) -> None:
        """Run the command with all its arguments, also ``--help``, and exit with its code."""
        try:
            code = run(_without_django_options(argv[2:]))
        finally:
            with contextlib.suppress(Exception):
                connections.close_all()
        sys.exit(code)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Accept any arguments, for `call_command`."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def handle(self, *_: Any, arguments: Sequence[str] = (), **__: Any) -> None:
        """Run the command for `call_command`.

        Raises:
            CommandError: The command failed; its error was printed.
        """
        code = run(arguments)
        if code:
            raise CommandError(f"itsm {' '.join(arguments)} failed with exit code {code}", returncode=code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line with the project's settings and workflow, and return its exit code."""
    with _project():
        return main(arguments)


@contextlib.contextmanager
def _project() -> Iterator[None]:
    """Let the command line find the project's settings, where it looks for them: in the environment."""
    before = dict(os.environ)
    os.environ.update({name: text for name, text in variables().items() if isinstance(text, str)})
    os.environ.setdefault(APP_VARIABLE, _APP)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


def _without_django_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without those that Django has read already."""
    kept: list[str] = []
    is_value = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if is_value:
            is_value = False
        elif name in _DJANGO_OPTIONS:
            is_value = not equals
        else:
            kept.append(argument)
    return kept
