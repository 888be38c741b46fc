"""The door: everything a host does with change requests, on one object."""

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

    Reading them is in `Records`, what a person decides about them in `Decisions`.

    Threads may share one object; processes share the store.

    Args:
        storage: Where changes are kept.
        gateway: The ticket system.
        definition: The state machine.
        effects: What to do once a state is entered, by state. If the definition names its effects, these are the
            functions that this process has for some or all of them; otherwise they are the workflow's effects. An
            effect that is due without a function here is left to another process.
        form_check: The host's own check of each form, such as `CollectorForm.check`; what it finds is told together
            with what the gateway would refuse.
        policy: All timings.
        settings: Where callbacks arrive and which prefix keys have; by default the gateway's own settings.
        callbacks: Whether to ask for callbacks; without them only `reconcile` finds out what was decided.
        after_callback: When a callback's change is looked into: in a ``background`` thread, ``inline`` before it is
            answered, ``later`` by `reconcile`, or a function that puts the change's id into a task queue.
        observers: Are told of every entry, and of trouble that reached no caller.
        clock: Tells the time.
        entropy: Gives random bytes for ids and keys.
    """

    def __init__(
        self,
        *,
        storage: StorageBackend,
        gateway: TicketGateway,
        definition: WorkflowDefinition = COLLECTOR_CHANGE,
        effects: Mapping[str, Sequence[Effect]] | None = None,
        form_check: FormCheck | None = None,
        policy: Policy | None = None,
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
                f"a TicketGateway whose name is {GATEWAY_NAME}: it is stored with each ticket",
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
        told = Observers(observers)
        journal = Journal(
            storage=storage,
            definition=definition,
            policy=self.policy,
            clock=self._clock,
            effects=registry.names,
            aliases=registry.aliases,
            observers=told,
        )
        catalogue = Catalogue(journal=journal, observers=told)
        loop = Executor(
            journal=journal,
            gateway=gateway,
            effects=registry,
            observers=told,
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
            observers=told,
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
            observers=told,
            address=self._address,
            after=after_callback,
        )
        self._reconciler = Reconciler(journal=journal, loop=loop, gateway=gateway, observers=told)

    # ---------------------------------------------------------------- asking

    def apply(
        self, *, subject: str, actor: str | None = None, form_check: FormCheck | None = None, **asked: Unpack[Asked]
    ) -> ChangeRequest:
        """File a change: store the intent, send it once, store what came of it.

        A draft that the subject has is revised and submitted; otherwise a new change is made. The outcome of the send
        may be unknown: then the change comes back in ``applying``, and is looked up by key until it is found.

        Args:
            subject: What the change is about.
            actor: Who is doing this, for the history; the applicant by default.
            form_check: A check of this form, besides the workflow's own.
            asked: ``title``, ``applicant``, and optionally ``approvers``, ``content`` and ``fields``: see `Asked`.

        Raises:
            InvalidForm: Nothing was stored or sent; lists all problems.
            AlreadyApplied: A change of the subject is open.
            DefinitionError: Other processes have effects that this one does not name, and that would be lost.
            ServiceNotFound: The gateway has no service to file it with.
            SettingsError: A setting that is needed to file is missing.
            StorageError: The store failed; nothing was sent unless the change is there, in ``applying``.
        """
        subject, form = self._checked("apply", subject, asked, form_check)
        self._make_address("0" * 26, 1)  # a setting that is missing shows before anything is stored
        return self._filing.apply(subject, form, checked_person(actor, form.applicant)).change

    def preview(
        self, *, subject: str, form_check: FormCheck | None = None, **asked: Unpack[Asked]
    ) -> Mapping[str, object]:
        """Return the body that `apply` would send, with an example of a key. Nothing is sent or written.

        Args:
            subject: What the change is about.
            form_check: A check of this form, besides the workflow's own.
            asked: As for `apply`.

        Raises:
            InvalidForm: Lists all problems.
        """
        subject, form = self._checked("preview", subject, asked, form_check)
        return self._filing.preview(form, self._make_address)

    def draft(self, *, subject: str, actor: str | None = None, **asked: Unpack[Asked]) -> ChangeRequest:
        """Store a draft. It claims nothing, and a subject may have several.

        Raises:
            InvalidForm: Nothing was stored; lists all problems.
        """
        subject, form = self._filing.check(subject, asked)
        return self._filing.draft(subject, form, checked_person(actor, form.applicant)).change

    def revise(self, change_id: str, *, actor: str | None = None, **asked: Unpack[Asked]) -> ChangeRequest:
        """Give a draft another form.

        Raises:
            InvalidForm: The draft stays as it is; lists all problems.
            TransitionRefused: It is no draft.
        """
        form = self._filing.check_form(asked)
        with self._allowing_people():
            return self._filing.revise(change_id, form, checked_person(actor, form.applicant)).change

    def submit(self, change_id: str, *, actor: str | None = None) -> ChangeRequest:
        """Submit a draft and send it; like `apply` from there on.

        Raises:
            InvalidForm: It stays a draft; lists all problems.
            TransitionRefused: It is no draft.
            AlreadyApplied: Another change of its subject is open.
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

    # ---------------------------------------------------------------- moving on

    def receive(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Take a callback from the gateway, and return what to answer. Never raises for what came in.

        Args:
            method: The HTTP method.
            path: The path as requested; a prefix under which the host mounted the route does no harm.
            headers: The request's headers.
            body: The body as received, at most 16 KiB.
        """
        try:
            incoming = Incoming(method=method, path=path, headers=headers, body=body)
        finally:
            # They hold secrets, and a traceback of what follows may be shown with its variables.
            del path, headers, body
        return self._inbox.receive(incoming)

    def settle(self, change_id: str) -> ChangeRequest:
        """Bring one change to what the gateway says now, and deliver its effects that are due.

        A gateway that cannot be asked is no error here: observers are told, and the change stays due.

        Raises:
            ChangeNotFound: There is no such change.
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
            limit: Look at most at so many changes; those that cannot be read do not count.
            seconds: Begin nothing more after that time; what was begun ends first, a look by `Policy.look_least` later.
                The list of undelivered callbacks may take half of it, so that changes are looked at as well.
            readers: How many changes are read from the gateway at once, in threads; 1 uses no thread.
            progress: Is called with the report so far, after each page.

        Raises:
            TypeError: An argument has another type.
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
        """Return what a page shows of a change.

        Args:
            change_id: The change.
            live: Ask the gateway for the page to embed and for the ticket's status; a gateway that cannot be asked
                leaves both None. Nothing is stored, and nothing is cleared at the gateway.
        """
        shown = super().status(change_id)
        if not live:
            return shown
        standing, iframe = self._standing(self.get(change_id))
        return attrs.evolve(
            shown, iframe_ticket_url=iframe or None, ticket_status=None if standing is None else standing.value
        )

    def why(self, change_id: str, *, live: bool = False) -> str:
        """Return one sentence: what the change waits for, since when, when it is looked at next, and what then.

        Args:
            change_id: The change.
            live: Ask the gateway how the ticket stands, and say so if it is suspended; a gateway that cannot be asked
                adds nothing.
        """
        return self._why(change_id, self._standing(self.get(change_id))[0] if live else None)

    def close(self, *, seconds: float | None = None) -> None:
        """Wait for looks in the background, and let go of the store.

        Args:
            seconds: How long to wait at most, `Policy.close_wait` by default. A look that takes longer is left: its
                change stays due, and another process looks into it.

        Raises:
            TypeError: It is not a number; nothing was closed.
            ValueError: It is below 0, NaN, or longer than a thread can wait.
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
        """Return how a change's ticket stands and its page to embed, as far as the gateway can be asked."""
        ticket, gateway = change.ticket, self._gateway
        if ticket is None or self._loop.foreign(ticket) is not None:
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
