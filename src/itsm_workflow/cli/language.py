"""The language of the command's output for people: the one place that chooses it.

``--language`` decides, otherwise the locale of the environment. Output for programs is English, unless ``--language``
was typed: a script must not depend on the locale.
"""

from __future__ import annotations

import functools
import os
from contextvars import ContextVar
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.doctor_phrases import FINDINGS
from itsm_workflow.cli.option_phrases import OPTIONS
from itsm_workflow.cli.phrases import PHRASES
from itsm_workflow.cli.usage_phrases import USAGE
from itsm_workflow.machine.messages import ERRORS, message_of
from itsm_workflow.machine.phrases import Phrasebook
from itsm_workflow.machine.refusals import REASONS, RULES
from itsm_workflow.machine.sentences import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The variables of the locale, in the order in which POSIX reads them."""
_DEFAULT = LANGUAGES[0]
_OPTION = "--language"
_PREFIX = "itsm-workflow: "

_typed: ContextVar[str | None] = ContextVar("typed", default=None)


def of_environment(environ: Mapping[str, str]) -> str:
    """Return the language of the locale; English for every locale without sentences."""
    chosen = next(filter(None, (environ.get(name) for name in _VARIABLES)), "")
    return next((one for one in LANGUAGES if chosen.lower().split("_")[0].split(".")[0] == one), _DEFAULT)


def typed_language(arguments: Sequence[str]) -> str | None:
    """Return the language of the arguments, of several the last one, as click does; None if none is typed."""
    typed = None
    before_names = takewhile(lambda one: one != "--", arguments)
    for one, following in pairwise((*before_names, "")):
        name, separator, value = one.partition("=")
        found = value if separator else following
        if name == _OPTION and found in LANGUAGES:
            typed = found
    return typed


def language() -> str:
    """Return the language of what people read."""
    return _typed.get() or of_environment(os.environ)


def language_of(*, in_json: bool) -> str:
    """Return the language of an output; for programs it does not depend on the locale."""
    return _typed.get() or (_DEFAULT if in_json else language())


def begin(arguments: Sequence[str]) -> None:
    """Remember the language of a command's arguments, since an error in them can be found before the option is read."""
    _typed.set(typed_language(arguments))


def speak(command: click.Command) -> None:
    """Give a command the option ``--language``, unless it has one of its own."""
    if not any(_OPTION in param.opts for param in command.params):
        option = click.Option(
            [_OPTION],
            type=click.Choice(LANGUAGES),
            expose_value=False,  # `begin` has read it
            help="Of what people read; by default that of the locale (LC_ALL, LC_MESSAGES, LANG).",
        )
        command.params.append(option)


@functools.cache
def _phrasebook() -> Phrasebook:
    return Phrasebook(PHRASES, OPTIONS, USAGE, FINDINGS, ERRORS, REASONS, RULES)


def spoken(text: str) -> str:
    """Return a text of the command in the language of what people read; one without a translation as it is."""
    if language() == _DEFAULT:
        return text
    prefix = _PREFIX if text.startswith(_PREFIX) else ""
    return prefix + _phrasebook().in_chinese(text.removeprefix(prefix))


def spoken_error(error: BaseException) -> str:
    """Return the message of an error in the language of what people read."""
    known = message_of(error, language())
    return known if known != str(error) else spoken(known)
