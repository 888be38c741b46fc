"""The promise about secrets: no call shows one, whatever happens."""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import threading
import traceback
import warnings
from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.testing.gateway_conformance._faults import (
    BROKEN,
    SLOW,
    damaged,
    one_for_each_place,
    only,
    redirecting,
)
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._spellings import spellings
from itsm_workflow.testing.gateway_conformance._trial import CREDENTIAL, damages_within
from itsm_workflow.testing.gateway_conformance._verdicts import BrokenPromise, demand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeAlias

    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.testing.gateway_conformance._faults import Fault
    from itsm_workflow.testing.gateway_conformance._trial import Trial

    Call: TypeAlias = Callable[[TicketGateway], object]

_NOTHING = "nothing failed"
_DAMAGED = frozenset({"create", "find_by_key", "read", "results"})
"""The calls whose answers are damaged, too: the others decode the same."""

_PLACES = 18
"""The most values of an answer that are damaged: each wrong value comes twice."""


@promise("no secret is shown")
def keeps_secrets(trial: Trial) -> None:
    """Not by an answer, a preview, a repr, an error with its causes and notes, a line that is logged or printed.

    Each call is made while nothing fails, while the server refuses, and in each failure that the proxy can make.
    """
    calls, refused = _calls(trial), _refused_calls(trial)
    failures: dict[str, Fault | None] = {
        _NOTHING: None,
        "the answer is a redirect": redirecting(302, f"{trial.line.url}/elsewhere"),
        **BROKEN,
    }
    for name, call in refused.items():
        _one(trial, _NOTHING, name, call)
    for happens, fault in failures.items():
        for name, call in calls.items():
            with trial.during(fault):
                _one(trial, happens, name, call)
    for name, call in calls.items():
        for number, fault in _damages(trial, call) if name in _DAMAGED else ():
            with trial.during(fault):
                _one(trial, f"value {number} of the answer is damaged", name, call)
        with trial.unreachable() as away:
            _one(trial, "nothing listens at the address", name, call, away)
    for happens, fault in SLOW.items():
        with trial.during(fault):
            _all_slow(trial, happens, calls)


def _calls(trial: Trial) -> dict[str, Call]:
    """Return the calls of the port, by name."""
    criteria, ticket = trial.file()
    request = trial.request()  # of its own: the look-up for the other key stays short
    return {
        "preview": lambda gateway: gateway.preview(request),
        "create": lambda gateway: gateway.create(request),
        "find_by_key": lambda gateway: gateway.find_by_key(criteria),
        "find_by_sn": lambda gateway: gateway.find_by_sn(ticket.sn, criteria),
        "read": lambda gateway: gateway.read(ticket),
        "results": lambda gateway: gateway.results([ticket]),
        "services": lambda gateway: gateway.services(),
        "repr": repr,
        "withdraw": lambda gateway: gateway.withdraw(ticket, operator="alice", reason="no longer needed"),
    }


def _refused_calls(trial: Trial) -> dict[str, Call]:
    """Return calls that the server refuses."""
    criteria, ended = trial.file()
    trial.system.approve(ended.id, "bob")
    missing = trial.missing()
    found: dict[str, Call] = {
        "read of a ticket that does not exist": lambda gateway: gateway.read(missing),
        "results of a ticket that does not exist": lambda gateway: gateway.results([missing]),
        "find_by_sn of a number that no ticket has": lambda gateway: gateway.find_by_sn(missing.sn, criteria),
        "withdraw of a ticket that does not exist": lambda gateway: gateway.withdraw(
            missing, operator="alice", reason="no longer needed"
        ),
        "withdraw of an approved ticket": lambda gateway: gateway.withdraw(
            ended, operator="alice", reason="no longer needed"
        ),
    }
    with contextlib.suppress(NotImplementedError):
        request = trial.request(form=trial.system.refused_form("A form that is refused"))
        found["create of a form that is refused"] = lambda gateway: gateway.create(request)
    return found


def _damages(trial: Trial, call: Call) -> Iterator[tuple[int, Fault]]:
    """Yield a fault for each value of each answer that a call gets."""
    counts = damages_within(trial, lambda: _said(partial(call, trial.gateway)))
    for request, most in enumerate(counts):
        for number in itertools.islice(one_for_each_place(most), _PLACES):
            yield number, only(request, damaged(number))


def _one(trial: Trial, happens: str, name: str, call: Call, gateway: TicketGateway | None = None) -> None:
    """Make one call and judge all that it shows."""
    with _listening() as heard:
        said = _said(partial(call, gateway or trial.gateway))
    _judge(trial, f"{happens}: {name}", {_place(name): said, **heard.texts()})


def _all_slow(trial: Trial, happens: str, calls: Mapping[str, Call]) -> None:
    """Make all calls at the same time, each by a gateway of its own: each of them takes as long as its deadline."""
    said: dict[str, str] = {}

    def work(name: str, call: Call) -> None:
        with contextlib.suppress(BrokenPromise), trial.another() as gateway:
            said[name] = _said(partial(call, gateway))

    workers = [threading.Thread(target=work, args=one, daemon=True) for one in calls.items()]
    with _listening() as heard:
        for worker in workers:
            worker.start()
        for worker in workers:  # another promise reports a call that does not end
            worker.join(trial.system.patience)
    for name, text in list(said.items()):
        _judge(trial, f"{happens}: {name}", {_place(name): text})
    _judge(trial, f"{happens}: one of {', '.join(calls)}", heard.texts())


def _place(name: str) -> str:
    return "its text" if name in {"preview", "repr"} else "its answer or error"


def _judge(trial: Trial, what: str, texts: Mapping[str, str]) -> None:
    """Report a secret in one of the texts. A preview may show the callback's address, which belongs to its request."""
    secrets = {f"TicketSystem.secrets[{place}]": secret for place, secret in enumerate(trial.system.secrets)}
    if not what.endswith(": preview"):
        secrets["the credential of the callback's address"] = CREDENTIAL
    for label, secret in secrets.items():
        for spelling, encoding in spellings(secret).items():
            for place, text in texts.items():
                demand(spelling not in text, f"{what} shows {label} {encoding}{' ' if encoding else ''}in {place}")


def _said(call: Callable[[], object]) -> str:
    """Return the text of an answer, or of an exception with all exceptions that Python shows with it."""
    try:
        answer = call()
    except BrokenPromise:
        raise
    except Exception as error:  # noqa: BLE001 - the other promises judge its type
        return "\n".join(["".join(traceback.format_exception(error)), *map(_parts, _chain(error))])
    return f"{answer!r}\n{answer}"


def _parts(error: BaseException) -> str:
    return f"{error!r} {vars(error)}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that Python shows with it: ``from None`` hides the one before."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, None if one.__suppress_context__ else one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions


@attrs.frozen
class _Heard:
    lines: list[str]
    printed: io.BytesIO

    def texts(self) -> dict[str, str]:
        """Return what was logged and printed, by the place."""
        return {
            "a log line": "\n".join(self.lines),
            "what it prints": self.printed.getvalue().decode(errors="replace"),
        }


@contextlib.contextmanager
def _listening() -> Iterator[_Heard]:
    """Keep what is logged at any level, printed, and warned of in the block, by all threads of the process."""
    heard, root = _Heard([], io.BytesIO()), logging.getLogger()
    log, level = _Log(heard.lines), root.level
    pages = io.TextIOWrapper(heard.printed, encoding="utf-8", errors="backslashreplace", write_through=True)
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        with (
            contextlib.redirect_stdout(pages),
            contextlib.redirect_stderr(pages),
            warnings.catch_warnings(record=True) as warned,
        ):
            warnings.simplefilter("always")
            yield heard
            heard.lines.extend(str(one.message) for one in warned or ())
    finally:
        root.removeHandler(log)
        root.setLevel(level)
        pages.detach()


class _Log(logging.Handler):
    """Keeps every line that is logged, whatever its level."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.getMessage()} {record.__dict__}")
