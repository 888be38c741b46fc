"""The library's main object: every operation of a host on change requests."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self, Unpack

import attrs

from itsm_workflow.callbacks.inbox import AFTER, Inbox
from itsm_workflow.callbacks.parse import Incoming
from itsm_workflow.callbacks.signer import callback_address
from itsm_workflow.clock import SystemClock
from itsm_workflow.errors import GatewayError, SettingsError
from itsm_workflow.gateway.asking import asked
from itsm_workflow.gateway.checked import GATEWAY_NAME, any_host, checked_standing, is_gateway_name, page_url
from itsm_workflow.gateway.protocol import CarriesSettings, SupportsPages, SupportsStanding
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.definition import WorkflowDefinition
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.arguments import check_function, check_seconds, check_text, check_whole
from itsm_workflow.runtime.catalogue import Catalogue
from itsm_workflow.runtime.decisions import Decisions, checked_person
from itsm_workflow.runtime.effects import EffectRegistry
from itsm_workflow.runtime.executor import Executor
from itsm_workflow.runtime.filing import Filing
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.runtime.reconciler import Reconciler

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.callbacks.inbox import AfterCallback
    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import ChangeRequest, Form
    from itsm_workflow.clock import Clock
    from itsm_workflow.form import Asked, FormCheck
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.machine.evidence import TicketStatus
    from itsm_workflow.runtime.effects import Effect
    from itsm_workflow.runtime.observers import Observer
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.runtime.status import Status
    from itsm_workflow.secrets import Secret
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.protocol import StorageBackend


class Workflow(Decisions):
    """Files change requests as tickets, and moves them until they end.

    The methods that read changes are in `Records`, the decisions of people in `Decisions`.

    Threads may share one `Workflow`. Processes share the store.

    Args:
        storage: The store of the changes.
        gateway: The ticket system.
        definition: The state machine.
        effects: The effects to deliver after a state is entered, by state. If the definition names its effects, these
            are the functions that this process has for some or all of them; otherwise they are the workflow's effects.
            A due effect without a function in this process is left to another process.
        policy: All timings.
        form_check: The host's own check of each form, such as `CollectorForm.check`. Its problems are reported
            together with those that the gateway would reject.
        settings: The callback address and the prefix of keys; by default the gateway's own settings.
        callbacks: Whether to ask for callbacks. Without them, only `reconcile` finds out the decisions.
        after_callback: When to look at the change of a callback: in a ``background`` thread, ``inline`` before the
            callback is answered, ``later`` by `reconcile`, or a function that puts the change's id into a task queue.
        observers: Notified of every committed entry, and of errors that are not raised to a caller.
        clock: Source of the current time.
        entropy: Source of random bytes for ids and keys.
    """

    def __init__(
        self,
        *,
        storage: StorageBackend,
        gateway: TicketGateway,
        definition: WorkflowDefinition = COLLECTOR_CHANGE,
        effects: Mapping[str, Sequence[Effect]] | None = None,
        policy: Policy | None = None,
        form_check: FormCheck | None = None,
        settings: Settings | None = None,
        callbacks: bool = True,
        after_callback: AfterCallback | Callable[[str], object] = "background",
        observers: Sequence[Observer] = (),
        clock: Clock | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.policy = Policy() if policy is None else policy
        for name, fits, wanted in (
            ("storage", hasattr(storage, "commit"), "an open store, as open_storage(url) returns it"),
            ("gateway", hasattr(gateway, "create"), "a TicketGateway, for example a BkItsmGateway"),
            (
                "gateway",
                is_gateway_name(getattr(gateway, "name", None)),
                f"a TicketGateway whose name is {GATEWAY_NAME}, since the name is stored with each ticket",
            ),
            ("definition", isinstance(definition, WorkflowDefinition), "a WorkflowDefinition"),
            ("policy", isinstance(self.policy, Policy), "a Policy"),
            ("effects", effects is None or isinstance(effects, Mapping), "lists of Effect by state, as a dictionary"),
            ("form_check", form_check is None or callable(form_check), "a function of a Form"),
            ("settings", settings is None or hasattr(settings, "deadline"), "Settings, such as Settings.from_env()"),
            ("callbacks", isinstance(callbacks, bool), "True or False"),
            (
                "after_callback",
                callable(after_callback) or after_callback in AFTER,
                f"{', '.join(AFTER)} or a function",
            ),
            ("observers", _are_observers(observers), "a list of objects with on_entry and on_trouble"),
            ("clock", clock is None or hasattr(clock, "boot"), "a Clock"),
            ("entropy", callable(entropy), "a function of a number of bytes, such as os.urandom"),
        ):
            if not fits:
                raise TypeError(f"Workflow({name}=...) takes {wanted}")
        self._gateway = gateway
        self._settings = settings or (gateway.settings if isinstance(gateway, CarriesSettings) else None)
        self._shows = self._settings.shows_pages_of if self._settings else any_host
        deadline = dt.timedelta(seconds=self._settings.deadline if self._settings else 0)
        misfits = self.policy.misfits(deadline)
        if misfits:
            call = f"one call of the gateway may take {deadline.total_seconds():g} s"
            raise SettingsError(f"{call}: {'; '.join(misfits)}; change these, or lower BKAPP_ITSM_DEADLINE")
        self._callbacks = callbacks and self._settings is not None
        self._clock = clock or SystemClock()
        registry = EffectRegistry(definition, effects or {})
        notified = Observers(observers)
        journal = Journal(
            storage=storage,
            definition=definition,
            policy=self.policy,
            clock=self._clock,
            effects=registry.names,
            aliases=registry.aliases,
            observers=notified,
        )
        catalogue = Catalogue(journal=journal, observers=notified)
        loop = Executor(
            journal=journal,
            gateway=gateway,
            effects=registry,
            observers=notified,
            address=self._make_address,
            deadline=deadline,
            owner=ulid(self._clock.now(), entropy),
            shows=self._shows,
        )
        filing = Filing(
            journal=journal,
            loop=loop,
            catalogue=catalogue,
            gateway=gateway,
            observers=notified,
            form_check=form_check,
            key_prefix=self._settings.key_prefix if self._settings else "",
            entropy=entropy,
            shows=self._shows,
        )
        super().__init__(journal, loop, filing)
        self._catalogue = catalogue
        self._address = callback_address(self._settings) if self._callbacks and self._settings else None
        self._inbox = Inbox(
            journal=journal,
            loop=loop,
            gateway=gateway,
            observers=notified,
            address=self._address,
            after=after_callback,
        )
        self._reconciler = Reconciler(journal=journal, loop=loop, gateway=gateway, observers=notified)

    # ---------------------------------------------------------------- filing

    def apply(
        self, *, subject: str, actor: str | None = None, form_check: FormCheck | None = None, **asked: Unpack[Asked]
    ) -> ChangeRequest:
        """File a change: store the intent, send the request once, store its outcome.

        If the subject has a draft, the draft is revised and submitted; otherwise a new change is created. If the
        outcome of the request is unknown, the change is returned in ``applying``, and later passes look the ticket up
        by its key.

        Args:
            subject: The thing to change.
            actor: The user who files the change, for the history; the applicant by default.
            form_check: A check of this form, in addition to the workflow's own.
            asked: ``title``, ``applicant``, and optionally ``approvers``, ``content`` and ``fields``: see `Asked`.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. Nothing was stored or sent.
            AlreadyApplied: A change of the subject is open.
            DefinitionError: Other processes have effects that this process does not name, and that would be lost.
            ServiceNotFound: The gateway does not have the service to file the ticket in.
            SettingsError: A setting that is needed to file is missing.
            StorageError: The store failed. Nothing was sent unless the change is stored, in ``applying``.
        """
        subject, form = self._checked("apply", subject, asked, form_check)
        self._make_address("0" * 26, 1)  # raises for a missing setting before anything is stored
        return self._filing.apply(subject, form, checked_person(actor, form.applicant)).change

    def preview(
        self, *, subject: str, form_check: FormCheck | None = None, **asked: Unpack[Asked]
    ) -> Mapping[str, object]:
        """Return the body that `apply` would send, with an example of a key. Nothing is sent or stored.

        Args:
            subject: The thing to change.
            form_check: A check of this form, in addition to the workflow's own.
            asked: As for `apply`.

        Raises:
            InvalidForm: The form has problems; the error lists all of them.
        """
        subject, form = self._checked("preview", subject, asked, form_check)
        return self._filing.preview(form, self._make_address)

    def draft(self, *, subject: str, actor: str | None = None, **asked: Unpack[Asked]) -> ChangeRequest:
        """Store a draft. A draft does not claim its subject, so a subject may have several drafts.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. Nothing was stored.
        """
        subject, form = self._filing.check(subject, asked)
        return self._filing.draft(subject, form, checked_person(actor, form.applicant)).change

    def revise(self, change_id: str, *, actor: str | None = None, **asked: Unpack[Asked]) -> ChangeRequest:
        """Replace the form of a draft.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. The draft is unchanged.
            TransitionRefused: The change is not a draft.
        """
        form = self._filing.check_form(asked)
        with self._allowing_people():
            return self._filing.revise(change_id, form, checked_person(actor, form.applicant)).change

    def submit(self, change_id: str, *, actor: str | None = None) -> ChangeRequest:
        """Submit a draft and send the request, as `apply` does.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. The change is still a draft.
            TransitionRefused: The change is not a draft.
            AlreadyApplied: Another change of the subject is open.
            DefinitionError: As for `apply`.
        """
        self._make_address(change_id, 1)
        who = checked_person(actor, self.get(change_id).form.applicant)
        with self._allowing_people():
            return self._filing.submit(change_id, who).change

    def _checked(self, method: str, subject: object, asked: Asked, form_check: FormCheck | None) -> tuple[str, Form]:
        if form_check is not None:
            check_function(f"{method}(form_check=...)", form_check)
        return self._filing.check(subject, asked, form_check)

    # ---------------------------------------------------------------- settling

    def receive(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Process a callback from the gateway, and return the response. Never raises because of the request's content.

        Args:
            method: The HTTP method.
            path: The path as requested; a prefix under which the host mounted the route is ignored.
            headers: The request's headers.
            body: The body as received, at most 16 KiB.
        """
        try:
            incoming = Incoming(method=method, path=path, headers=headers, body=body)
        finally:
            # They hold secrets, and a traceback from a later call may be shown with the variables of this frame.
            del path, headers, body
        return self._inbox.receive(incoming)

    def settle(self, change_id: str) -> ChangeRequest:
        """Bring one change to what the gateway says now, and deliver its effects that are due.

        If the gateway fails, no error is raised: observers are notified, and the change stays due.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
        """
        check_text("settle(change_id)", change_id)
        self._catalogue.note()
        return self._loop.advance(change_id, forced=True).change

    def reconcile(
        self,
        *,
        limit: int | None = None,
        seconds: float | None = None,
        readers: int = 4,
        progress: Callable[[Report], object] | None = None,
    ) -> Report:
        """Bring every change that is due to what the gateway says; call it every few minutes.

        Args:
            limit: The maximum number of changes to look at; changes that cannot be read do not count.
            seconds: The time after which nothing more is begun. Work in progress is finished, and a look ends by
                `Policy.look_least` later. The list of undelivered callbacks may take half of this time, so that time
                is left for changes.
            readers: The number of changes that are read from the gateway concurrently, in threads; 1 uses no thread.
            progress: Called with the report so far, after each page.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A number is too low, or NaN.
        """
        if limit is not None:
            check_whole("reconcile(limit=...)", limit, least=0)
        if seconds is not None:
            check_seconds("reconcile(seconds=...)", seconds)
        check_whole("reconcile(readers=...)", readers, least=1)
        if progress is not None:
            check_function("reconcile(progress=...)", progress)
        self._catalogue.note()
        return self._reconciler.run(limit=limit, seconds=seconds, readers=readers, progress=progress)

    # ---------------------------------------------------------------- reading

    def status(self, change_id: str, *, live: bool = False) -> Status:
        """Return the facts about a change that a page shows.

        Args:
            change_id: The change.
            live: Whether to ask the gateway for the page to embed and for the ticket's status. If the gateway fails,
                both are None. Nothing is stored, and nothing is cleared at the gateway.
        """
        shown = super().status(change_id)
        if not live:
            return shown
        standing, iframe = self._standing(self.get(change_id))
        return attrs.evolve(
            shown, iframe_ticket_url=iframe or None, ticket_status=None if standing is None else standing.value
        )

    def why(self, change_id: str, *, live: bool = False) -> str:
        """Return one sentence that says what the change waits for, since when, and when the next look is.

        Args:
            change_id: The change.
            live: Whether to ask the gateway for the ticket's status, and to say so if the ticket is suspended. If the
                gateway fails, the sentence is the same as without ``live``.
        """
        return self._why(change_id, self._standing(self.get(change_id))[0] if live else None)

    def close(self, *, seconds: float | None = None) -> None:
        """Wait for looks in the background, and close the store.

        Args:
            seconds: The maximum time to wait, `Policy.close_wait` by default. A look that takes longer is abandoned:
                its change stays due, and another process looks at it.

        Raises:
            TypeError: ``seconds`` is not a number; nothing was closed.
            ValueError: ``seconds`` is below 0, NaN, or longer than a thread can wait; nothing was closed.
        """
        if seconds is not None:
            check_seconds("close(seconds=...)", seconds, most=threading.TIMEOUT_MAX)
        self._inbox.close(seconds)
        self._journal.storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _standing(self, change: ChangeRequest) -> tuple[TicketStatus | None, str]:
        """Return the status of a change's ticket and its page to embed, as far as the gateway answers."""
        ticket, gateway = change.ticket, self._gateway
        if ticket is None or self._loop.wrong_gateway_error(ticket) is not None:
            return None, ""
        with contextlib.suppress(GatewayError):
            if isinstance(gateway, SupportsStanding):
                standing = asked("standing", lambda: checked_standing(gateway.standing(ticket), self._shows))
                return standing.status, standing.iframe_url
            if isinstance(gateway, SupportsPages):
                return None, asked("iframe_url", lambda: page_url(gateway.iframe_url(ticket), self._shows))
        return None, ""

    def _make_address(self, change_id: str, number: int) -> tuple[Secret | None, dict[str, Secret]]:
        if not self._callbacks or self._settings is None:
            return None, {}
        if self._address is None:
            self._settings.require("callback_host", "callback_keys")
            return None, {}
        return self._address.make(change_id, number)


def _are_observers(observers: object) -> bool:
    wanted = ("on_entry", "on_trouble")
    return isinstance(observers, Sequence) and all(hasattr(one, name) for one in observers for name in wanted)
