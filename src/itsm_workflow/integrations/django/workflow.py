"""A `Workflow` for Django: closes broken database connections, and checks whether the host has a transaction open."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast

from django.db import transaction

from itsm_workflow.errors import GatewayNotAsked
from itsm_workflow.form import FormArguments, shown
from itsm_workflow.integrations.django.connections import fresh_connections, with_fresh_connections
from itsm_workflow.integrations.django.storage import DjangoBackend
from itsm_workflow.runtime.decisions import checked_person
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.form import ApplyArguments
    from itsm_workflow.runtime.effects import Effect, StateT
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.runtime.per_process import Closes
    from itsm_workflow.runtime.status import Status

MethodT = TypeVar("MethodT", bound="Callable[..., Any]")

_SEND = ("now", "on_commit")
_NOT_SENT = "the change was committed, but its request could not be sent; the next reconcile sends it"


class DjangoWorkflow(Workflow):
    """A `Workflow` for a process of Django.

    Django closes expired and broken connections at the begin and the end of each request. Effects and looks after
    callbacks run outside of requests, so this class does the same around each of them.

    If the store is in Django's own database, ``django://alias``, the methods that write or that ask the gateway raise
    a RuntimeError while the host has a transaction open there: the transaction could be undone afterwards, and its
    locks would be held while the gateway is asked. `apply` can join it.

    Args:
        effects: As for `Workflow`.
        owned: Objects that `close` closes after the workflow, such as its gateway.
        arguments: The other arguments of `Workflow`.
    """

    def __init__(
        self,
        *,
        effects: Mapping[StateT, Sequence[Effect]] | None = None,
        owned: Sequence[Closes] = (),
        **arguments: Any,
    ) -> None:
        self._around_look = fresh_connections
        self._owned = tuple(owned)
        super().__init__(effects=with_fresh_connections(effects), **arguments)

    def apply(self, *, send: Literal["now", "on_commit"] = "now", **arguments: Unpack[ApplyArguments]) -> ChangeRequest:  # type: ignore[override]  # mypy compares no keywords with a typed dictionary
        """File a change, see `Workflow.apply`.

        Args:
            send: When to send the request. ``on_commit`` is for a transaction of the host, ``atomic()`` or
                ``ATOMIC_REQUESTS``, on the database of the store. The change is stored in this transaction, with the
                host's own rows: if it is undone, there is no change and no ticket. The change is returned in
                ``applying``, and its request is sent after the commit; if the process ends before that, the next
                `reconcile` sends it. Without an open transaction, it is the same as ``now``.
            arguments: The arguments of `Workflow.apply`.

        Raises:
            RuntimeError: A transaction is open, and the request would be sent in it: with ``now``, or because the
                gateway would have to be asked for the service.
            ValueError: ``send`` has another value, or is ``on_commit`` although the store is in another place.
        """
        if send not in _SEND:
            raise ValueError(f"apply(send=...) takes 'now' or 'on_commit', not {shown(send)}")
        if send == "now":
            self._check_outside("apply")
            return super().apply(**arguments)
        storage = self._journal.storage
        if not isinstance(storage, DjangoBackend):
            raise ValueError(  # noqa: TRY004 - it is the value of an argument that does not fit
                "apply(send='on_commit') needs the store in the database of the transaction: set BKAPP_ITSM_STORE to "
                "django:// and the name of a database, such as django://default"
            )
        if not storage.in_host_transaction():
            return super().apply(**arguments)
        return self._apply_in(storage, **arguments)

    def status(self, change_id: str, *, live: bool = False) -> Status:
        """Return the facts about a change that a page shows, see `Workflow.status`."""
        if live is True:
            self._check_outside("status(live=True)")
        return super().status(change_id, live=live)

    def why(self, change_id: str, *, live: bool = False) -> str:
        """Return one sentence that says what the change waits for, see `Workflow.why`."""
        if live is True:
            self._check_outside("why(live=True)")
        return super().why(change_id, live=live)

    def close(self, *, seconds: float | None = None) -> None:
        """Close the workflow, see `Workflow.close`, and then what it owns."""
        super().close(seconds=seconds)
        for one in self._owned:
            one.close()

    def _apply_in(
        self,
        storage: DjangoBackend,
        *,
        subject: str,
        actor: str | None = None,
        form_check: Any = None,  # noqa: ANN401 - `Filing.check` checks it
        **arguments: Unpack[FormArguments],
    ) -> ChangeRequest:
        """Store a submission in the host's transaction, and send it after the commit."""
        name, form = self._filing.check(subject, arguments, form_check)
        self._addresses.check()
        try:
            with storage.joining():
                prepared = self._filing.join_queued(name, form, checked_person(actor, form.applicant))
        except GatewayNotAsked as error:
            raise RuntimeError(
                "apply(send='on_commit') was refused, and nothing was stored: the service must be looked up at the "
                "gateway, which is not asked while a transaction is open, since its locks would be held meanwhile. Set "
                "BKAPP_ITSM_SERVICE_ID to the service's number"
            ) from error
        transaction.on_commit(functools.partial(self._send_committed, prepared), using=storage.alias, robust=True)
        return prepared.stored.change

    def _send_committed(self, prepared: Prepared) -> None:
        self._journal.announce([prepared])
        try:
            self._filing.send_queued(prepared.stored)
        except Exception as error:  # noqa: BLE001 - the host's response must not fail: the change is stored as due
            self._executor.calls.observers.on_trouble(prepared.stored.change.id, error, doing=_NOT_SENT)

    def _check_outside(self, method: str) -> None:
        """Refuse a method in a transaction of the host.

        Raises:
            RuntimeError: The host has a transaction open on the database of the store.
        """
        storage = self._journal.storage
        if isinstance(storage, DjangoBackend) and storage.in_host_transaction():
            raise RuntimeError(
                f"{method} was refused, and nothing was stored or sent: a transaction is open on the database "
                f"{storage.alias!r}. It could be undone after the gateway was asked, and its locks would be held "
                "meanwhile. Call it after the transaction, for example by transaction.on_commit, or take the view out "
                "of ATOMIC_REQUESTS by transaction.non_atomic_requests; a new change may join the transaction by "
                "apply(..., send='on_commit')"
            )


def _outside_transactions(method: MethodT) -> MethodT:
    """Return a method of `Workflow` that is refused in a transaction of the host."""

    @functools.wraps(method)
    def checked(self: DjangoWorkflow, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method itself
        self._check_outside(method.__name__)
        return method(self, *args, **kwargs)

    return cast("MethodT", checked)


for _name in (
    "draft",
    "revise",
    "submit",
    "preview",
    "apply_many",
    "settle",
    "reconcile",
    "withdraw",
    "accept_after_withdrawal",
    "resend",
    "abandon",
    "record_ticket",
    "attest_approval",
    "retry_effect",
    "clear_attention",
    "fire",
):
    setattr(DjangoWorkflow, _name, _outside_transactions(getattr(Workflow, _name)))
