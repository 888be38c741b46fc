"""The command group, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from itertools import chain
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli import (
    adopt,
    callback_keys,
    decide,
    demo,
    doctor,
    export_case,
    gateway_check,
    graph,
    lint_graph,
    listing,
    metrics,
    reconcile,
    resend_all,
    show,
    storage,
    verify,
    wait,
    web,
)
from itsm_workflow.cli.examples import show_examples
from itsm_workflow.cli.exits import Exit, exit_of
from itsm_workflow.cli.help import helped, language_of_help
from itsm_workflow.cli.language import begin, language, speak, spoken, spoken_error
from itsm_workflow.cli.operations import COMMANDS, commands_of
from itsm_workflow.cli.output import clean, note
from itsm_workflow.cli.storage_check import EndedBySignal
from itsm_workflow.errors import InvalidForm, ItsmWorkflowError, TransitionRefused
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "itsm-workflow"


_COMMANDS: dict[str, tuple[click.Command, ...]] = {
    "Look": (listing.list_changes, show.show, show.why, show.history, graph.graph, wait.wait, metrics.metrics),
    "Act on a change": (
        *(decide.apply, decide.settle, decide.withdraw, decide.resend, resend_all.resend_all, decide.record_ticket),
        *(decide.abandon, decide.retry_effect, decide.raise_attention, decide.clear_attention),
        *(decide.attest_approval, decide.accept_after_withdrawal),
    ),
    "Run": (
        reconcile.reconcile,
        web.web,
        web.web_password,
        doctor.doctor,
        callback_keys.callback_keys,
        storage.storage,
        adopt.shadow,
        adopt.adopt,
    ),
    "Try and prove": (
        demo.demo,
        demo.sandbox,
        lint_graph.lint_graph,
        verify.verify,
        gateway_check.gateway,
        export_case.export_case,
    ),
}
"""The commands, in the groups and in the order in which the help shows them."""

_PANELS = [{"name": name, "commands": [str(one.name) for one in members]} for name, members in _COMMANDS.items()]


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="itsm-workflow", prog_name=NAME)
@click.rich_config(help_config={"command_groups": {NAME: _PANELS}})
def group() -> None:
    """File change requests as tickets in BK-ITSM, and follow them until they end."""


for _command in chain.from_iterable(_COMMANDS.values()):
    group.add_command(_command)
    show_examples(str(_command.name), _command)
    speak(_command)
speak(group)
for _group in (storage.storage, gateway_check.gateway):
    for _name, _command in _group.commands.items():
        show_examples(f"{_group.name} {_name}", _command)
        speak(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. No error that a user can cause ends in a traceback."""
    _escape_unencodable()
    typed = sys.argv[1:] if arguments is None else list(arguments)
    begin(typed)
    try:
        with helped(group, language_of_help(typed, os.environ)):
            code = group.main(args=typed, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        code = _usage(error)
    except ItsmWorkflowError as error:
        _report(error)
        code = exit_of(error)
    except ImportError as error:  # an extra is not installed, or something replaces a library that is needed
        note(f"{NAME}: {clean(error)}")
        code = Exit.FAILED
    except BrokenPipeError:
        _close_quietly()  # the reader of the pipe closed it, as `head` does
        code = Exit.DONE
    except OSError as error:  # the disk is full, or a folder cannot be made
        _close_quietly()
        note(f"{NAME}: {clean(describe(error))}")
        code = Exit.FAILED
    except (click.Abort, KeyboardInterrupt):
        code = Exit.INTERRUPTED
    except EndedBySignal:
        raise
    except SystemExit as error:
        code = _exited(error)
    return int(code or 0)


def _exited(error: SystemExit) -> int:
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno == errno.EPIPE:  # `click` exits if the reader has closed the pipe
        _close_quietly()
        return Exit.DONE
    # A host's function exited; its code, 0 by default, says nothing about the command.
    note(f"{NAME}: a function outside the library raised SystemExit({error.code!r}), so the command did not finish")
    return Exit.FAILED


def _usage(error: click.ClickException) -> int:
    note(f"{NAME}: " + "\n".join(map(clean, spoken(error.format_message()).splitlines())))
    ctx = getattr(error, "ctx", None)
    if ctx is not None:
        note(f"`{ctx.command_path} --help` shows the usage")
    return error.exit_code


def _report(error: ItsmWorkflowError) -> None:
    if isinstance(error, InvalidForm):
        note(f"{NAME}: the arguments were refused, nothing was stored or sent:")
        for field, value, rule in error.problems:
            shown = {"en": f" (it is {value})", "zh": f"（现为 {value}）"}[language()] if value else ""
            note(clean(f"  {field}: {spoken(rule)}{shown}"))
    elif isinstance(error, TransitionRefused):
        command = COMMANDS.get(error.operation, error.operation)
        refused = error.to_caller(operation=command, allowed=commands_of(error.allowed))
        note(f"{NAME}: {clean(spoken_error(refused))}")
    else:
        note(f"{NAME}: {clean(spoken_error(error))}")


def _escape_unencodable() -> None:
    """Print characters that the terminal's encoding lacks as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _close_quietly() -> None:
    """Redirect a closed output to the null device, so that the interpreter reports no error when it exits."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    os.close(quiet)
