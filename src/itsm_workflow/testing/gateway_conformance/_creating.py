"""Promises about a create: what it answers is true, and it sends the request once."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import attrs

from itsm_workflow.gateway.checked import checked_problems, checked_service
from itsm_workflow.gateway.protocol import Created, NotSent, Refused, Unknown
from itsm_workflow.testing.gateway_conformance._bounded import unbounded
from itsm_workflow.testing.gateway_conformance._faults import BROKEN, SLOW, damaged, damages, redirecting
from itsm_workflow.testing.gateway_conformance._line import Line
from itsm_workflow.testing.gateway_conformance._promises import promise
from itsm_workflow.testing.gateway_conformance._spellings import spellings
from itsm_workflow.testing.gateway_conformance._trial import CREDENTIAL, sent, within
from itsm_workflow.testing.gateway_conformance._verdicts import SkippedPromise, demand
from itsm_workflow.testing.gateway_conformance._wording import found_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.gateway.protocol import CreateRequest
    from itsm_workflow.testing.gateway_conformance._line import Exchange, Request
    from itsm_workflow.testing.gateway_conformance._trial import Trial

_THREADS = 8


@promise("a create files one ticket, and answers with its id and number")
def files_one_ticket(trial: Trial) -> None:
    """The ticket carries the key."""
    request = trial.request()
    _, ticket = trial.file(request)
    demand(list(trial.system.tickets()) == [ticket.id], f"the server has {trial.system.tickets()}, not [{ticket.id!r}]")
    _sent_once(trial)
    found = trial.gateway.find_by_key(sent(request))
    demand(
        [row.id for row in found] == [ticket.id],
        f"find_by_key found {found_words(found)} for the ticket that was just created",
    )


@promise("a form is checked and shown without a request")
def asks_nothing_before(trial: Trial) -> None:
    """A valid form has no problems."""
    request = trial.request()
    before = len(trial.line.requests)
    problems = checked_problems(trial.gateway.check_form(request.form))
    trial.gateway.preview(request)
    demand(not problems, f"check_form refuses the form that TicketSystem.form returned: {problems}")
    demand(len(trial.line.requests) == before, "check_form or preview sent a request")
    demand(not trial.system.tickets(), "check_form or preview made a ticket")
    checked_service(trial.gateway.service())


@promise("a create sends what was previewed")
def sends_what_is_shown(trial: Trial) -> None:
    """A person sees the preview before she applies. What the preview masks is not compared."""
    request = trial.request()
    shown = json.loads(json.dumps(trial.gateway.preview(request)))
    trial.line.requests.clear()
    trial.file(request)
    bodies = [_document(one) for one in trial.line.requests if one.method not in {"GET", "HEAD"}]
    demand(
        any(_is_shown(body, shown) for body in bodies),
        f"preview shows {shown}, and create sent {bodies}",
    )


@promise("a create sends the address to call back")
def sends_the_address(trial: Trial) -> None:
    """Without it, each decision waits for the next look. Tested if the ticket system calls back.

    A host may have no address.
    """
    if not trial.system.callbacks:
        raise SkippedPromise("TicketSystem.callbacks is False: set it if the server calls an address back")
    request = trial.request()
    address = request.callback_url.reveal() if request.callback_url is not None else ""
    trial.line.requests.clear()
    trial.file(request)
    demand(
        any(spelling in text for spelling in spellings(address) for text in _texts(trial.line.requests)),
        f"TicketSystem.callbacks is True, and nothing that create sent contains the address {address}",
    )
    trial.line.requests.clear()
    trial.file(attrs.evolve(trial.request(), callback_url=None))
    demand(
        not any(spelling in text for spelling in spellings(address) for text in _texts(trial.line.requests)),
        f"no address was passed, and create sent {address}, which an earlier create was given",
    )


def _texts(requests: Sequence[Request]) -> list[str]:
    """Return the parts of requests, as text."""
    return [text for one in requests for text in (one.path, *one.headers.values(), one.body.decode(errors="replace"))]


@promise("a create that could not connect was not sent")
def not_sent(trial: Trial) -> None:
    """Only then it may be repeated without a look-up, so the gateway must recognise it."""
    request = trial.request()
    with trial.unreachable() as away:
        answer = trial.create(request, away, instead="NotSent")
    demand(isinstance(answer, NotSent), f"nothing listens at the address, and create answered {answer}")


@promise("a create whose answer is lost or unusable is unknown")
def unknown(trial: Trial) -> None:
    """`NotSent` leads to a second ticket, `Created` names one that was not read, and `Refused` ends the look-ups early.

    A refusal comes from the ticket system itself, in words that the gateway can read.
    """
    for happens, fault in BROKEN.items():
        request = trial.request()
        with trial.during(fault):
            answer = trial.create(request)
        demand(
            isinstance(answer, Unknown), f"{happens}: create answered {answer}, but the server may have made the ticket"
        )


@promise("a create that the server refuses is refused")
def refused(trial: Trial) -> None:
    """Or unknown, but never raised, created, or not sent. Tested if the server can refuse a form."""
    try:
        form = trial.system.refused_form("A form that is refused")
    except NotImplementedError as undefined:
        raise SkippedPromise(str(undefined)) from None
    before = list(trial.system.tickets())
    answer = trial.create(trial.request(form=form), instead="Refused")
    demand(
        list(trial.system.tickets()) == before,
        "the server made a ticket of the form that TicketSystem.refused_form returned: return one that it refuses",
    )
    demand(isinstance(answer, Refused | Unknown), f"the server refused the form, and create answered {answer}")


@promise("a create sends its request once")
def sends_once(trial: Trial) -> None:
    """A library that repeats a request after a lost answer makes a second ticket."""
    for happens, fault in BROKEN.items():
        before = len(trial.system.tickets())
        trial.line.requests.clear()
        with trial.during(fault):
            trial.create(trial.request())
        made = len(trial.system.tickets()) - before
        demand(made <= 1, f"{happens}: one create made {made} tickets")
        _sent_once(trial, happens)


@promise("a create follows no redirect")
def follows_nothing(trial: Trial) -> None:
    """Another address would get the form, and the gateway's credentials."""
    with Line(trial.line.url) as trap:
        for status in (301, 302, 303, 307, 308):
            with trial.during(redirecting(status, f"{trap.url}/elsewhere")):
                answer = trial.create(trial.request())
            demand(not trap.requests, f"create followed a redirect (HTTP {status}) to another address")
            demand(not isinstance(answer, Created), f"the server answered with HTTP {status}, and create {answer}")


@promise("a create ends by itself, and is not sent again")
def ends(trial: Trial) -> None:
    """Its deadline bounds the whole call, also while bytes arrive. A request that timed out is not sent again."""
    for happens, fault in SLOW.items():
        request = trial.request()
        trial.line.requests.clear()
        with trial.during(fault):
            answer = within(trial.system.patience, f"{happens}: create", partial(trial.create, request))
        demand(not isinstance(answer, Created | NotSent), f"{happens}: create answered {answer}")
        _sent_once(trial, happens)


@promise("a damaged answer to a create names no other ticket")
def names_no_other(trial: Trial) -> None:
    """Each value of the answer in turn is one that the server never sends."""
    for number in range(_damages_of_create(trial)):
        before = set(trial.system.tickets())
        with trial.during(damaged(number)):
            answer = trial.create(trial.request())
        made = set(trial.system.tickets()) - before
        if isinstance(answer, Created):
            demand({answer.id} == made, f"create answered with ticket {answer.id}, and the server made {sorted(made)}")
        demand(not (made and isinstance(answer, NotSent)), "create answered NotSent, but the server made a ticket")


@promise("creates of several threads do not mix")
def threads(trial: Trial) -> None:
    """One gateway serves all threads of a process."""
    requests = [trial.request() for _ in range(_THREADS)]
    start = threading.Barrier(_THREADS)

    def create(request: CreateRequest) -> str:
        start.wait()
        return trial.file(request)[1].id

    with ThreadPoolExecutor(_THREADS) as pool:
        ids = list(pool.map(create, requests))
    demand(sorted(ids) == sorted(trial.system.tickets()), f"the answers were {ids}, the server has other tickets")
    for request, made in zip(requests, ids, strict=True):
        found = [row.id for row in trial.gateway.find_by_key(sent(request))]
        demand(found == [made], f"create answered {made}, and the ticket with that key is {found}")


@promise("Ctrl-C ends a create")
def interrupted(trial: Trial) -> None:
    """It is not taken for an answer of the server. Tested only in the main thread, where it can be sent a signal."""
    caller = threading.current_thread()
    if caller is not threading.main_thread() or not hasattr(signal, "pthread_kill"):
        return

    def interrupt(exchange: Exchange) -> None:
        signal.pthread_kill(caller.ident or 0, signal.SIGINT)
        exchange.hold(trial.system.patience)

    trial.file()  # one that hangs in any case is reported, since a call in this thread is not bounded
    request = trial.request()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with trial.during(interrupt):
            answer = trial.create(request, unbounded(trial.gateway))
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGINT, before)
    demand(condition=False, sentence=f"create was interrupted by Ctrl-C, and answered {answer}")


def _sent_once(trial: Trial, happens: str = "nothing failed") -> None:
    """Two requests of one create with the same method, address and body are one that was repeated."""
    writes = [(one.method, one.path, one.body) for one in trial.line.requests if one.method not in {"GET", "HEAD"}]
    twice = [f"{method} {path}" for (method, path, _), times in Counter(writes).items() if times > 1]
    demand(not twice, f"{happens}: one create sent {', '.join(twice)} more than once")


def _document(request: Request) -> object:
    """Return the body of a request: a JSON document, or the fields of a form."""
    text = request.body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return dict(parse_qsl(text, keep_blank_values=True))


def _is_shown(sent: object, shown: object) -> bool:
    """Return whether a preview shows what was sent, but for texts that contain the credential."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return sent.keys() == shown.keys() and all(_is_shown(sent[name], shown[name]) for name in sent)
    if isinstance(sent, list) and isinstance(shown, list):
        return len(sent) == len(shown) and all(map(_is_shown, sent, shown))
    return sent == shown or (isinstance(sent, str) and CREDENTIAL in sent)


def _damages_of_create(trial: Trial) -> int:
    """Return how many damages the longest answer of a create knows."""
    most = 0

    def measure(exchange: Exchange) -> None:
        nonlocal most
        answer = exchange.forward()
        with contextlib.suppress(ValueError):
            most = max(most, damages(answer.body))
        exchange.reply(answer)

    with trial.during(measure):
        trial.file()
    demand(most, "no answer of a create is JSON: the check damages JSON only")
    return most
