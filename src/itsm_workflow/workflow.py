"""The library's main object: every operation of a host on change requests."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
from typing import TYPE_CHECKING, Literal, Self

import attrs

from itsm_workflow.callbacks.addresses import CallbackAddresses
from itsm_workflow.callbacks.inbox import AFTER, Inbox
from itsm_workflow.callbacks.parse import Incoming
from itsm_workflow.clock import BoundedClock, SystemClock
from itsm_workflow.form import FormArguments
from itsm_workflow.gateway.checked import any_host, page_url
from itsm_workflow.gateway.protocol import CarriesSettings
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.policy import Policy
from itsm_workflow.runtime.adopting import Adopting
from itsm_workflow.runtime.arguments import check_deadline, check_flag, check_parts, check_seconds, check_text
from itsm_workflow.runtime.catalogue import Catalogue
from itsm_workflow.runtime.decisions import checked_person
from itsm_workflow.runtime.effects import Effect, EffectRegistry
from itsm_workflow.runtime.executor import Executor
from itsm_workflow.runtime.filing import Filing
from itsm_workflow.runtime.gateway_calls import GatewayCalls
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.runtime.joining import Joining
from itsm_workflow.runtime.journal import Journal
from itsm_workflow.runtime.observers import Observers
from itsm_workflow.runtime.outside import check_outside, outside_transactions
from itsm_workflow.runtime.permissions import Act, Permissions
from itsm_workflow.runtime.reconciler import Reconciler
from itsm_workflow.secrets import SecretURL, without_frames
from itsm_workflow.storage.registry import HostEngine, open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from itsm_workflow.callbacks.inbox import AfterCallback
    from itsm_workflow.callbacks.parse import CallbackResponse, Headers
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.clock import Clock
    from itsm_workflow.form import FormCheck
    from itsm_workflow.gateway.protocol import TicketGateway
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.effects import EffectFunction, StateT
    from itsm_workflow.runtime.observers import Observer
    from itsm_workflow.runtime.permissions import Authorize
    from itsm_workflow.runtime.reconciler import Report
    from itsm_workflow.runtime.status import Status
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.protocol import StorageBackend


class Workflow(Adopting):
    """Files change requests as tickets, and moves them until they end.

    The methods that read changes are in `Records`, decisions of people in `Decisions`, those of drafts in `Drafting`,
    `apply_many` is in `BulkFiling`, and `adopt` and `shadow` are in `Adopting`. Threads may share one `Workflow`.
    Processes share the store.

    If a transaction of the host is open in the database of the store, as far as the store knows, the methods that write
    or that ask the gateway raise a RuntimeError: the transaction could be undone afterwards, and its locks would be
    held while the gateway is asked. `apply` can join it.

    Args:
        storage: The store of the changes: an open store, which the caller closes; the URL of a store, such as
            ``sqlite:///itsm.db``, which the workflow opens and `close` closes; or the host's own engine of SQLAlchemy
            for PostgreSQL or MariaDB, which stays open.
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
        authorize: A function ``authorize(actor, act, change)`` that returns whether a person may carry out an `Act`; by
            default everybody may. It is asked once before each act, when the arguments were checked and before anything
            is stored or sent. A refusal raises `NotPermitted`, and is logged.
        clock: Source of the current time; it must show the years 1970 to 2999.
        entropy: Source of random bytes for ids and keys.
    """

    _around_look: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    """Returns the context in which the look after a callback is made, for integrations."""

    def __init__(
        self,
        *,
        storage: StorageBackend | HostEngine | str | SecretURL,
        gateway: TicketGateway,
        definition: WorkflowDefinition = COLLECTOR_CHANGE,
        effects: Mapping[StateT, Sequence[Effect]] | None = None,
        policy: Policy | None = None,
        form_check: FormCheck | None = None,
        settings: Settings | None = None,
        callbacks: bool = True,
        after_callback: AfterCallback | Callable[[str], object] = "background",
        observers: Sequence[Observer] = (),
        authorize: Authorize | None = None,
        clock: Clock | None = None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if isinstance(storage, str):
            storage = SecretURL(storage)  # a traceback with local variables would show the text
        self.policy: Policy = Policy() if policy is None else policy
        parts = {
            "storage": storage,
            "gateway": gateway,
            "definition": definition,
            "effects": effects,
            "policy": self.policy,
            "form_check": form_check,
            "settings": settings,
            "callbacks": callbacks,
            "after_callback": after_callback,
            "observers": observers,
            "authorize": authorize,
            "clock": clock,
            "entropy": entropy,
        }
        check_parts(parts, moments=AFTER)
        self._settings = settings or (gateway.settings if isinstance(gateway, CarriesSettings) else None)
        deadline = dt.timedelta(seconds=self._settings.deadline if self._settings else 0)
        check_deadline(self.policy, deadline)
        self._clock = BoundedClock(clock or SystemClock())
        self._effects, notified = EffectRegistry(definition, effects or {}), Observers(observers)
        self._addresses = CallbackAddresses(self._settings if callbacks else None)
        owner = ulid(self._clock.now(), entropy)
        self._closing = contextlib.ExitStack()
        if isinstance(storage, SecretURL | HostEngine):  # opened last: nothing after this can fail and leave it open
            storage = self._closing.enter_context(contextlib.closing(open_storage(storage)))
        journal = Journal(
            storage=storage,
            definition=definition,
            policy=self.policy,
            clock=self._clock,
            effects=self._effects.names,
            aliases=self._effects.aliases,
            observers=notified,
        )
        self._catalogue = Catalogue(journal=journal, observers=notified)
        calls = GatewayCalls(
            journal=journal,
            gateway=gateway,
            addresses=self._addresses,
            observers=notified,
            deadline=deadline,
            shows=self._settings.shows_pages_of if self._settings else any_host,
        )
        executor = Executor(journal=journal, calls=calls, effects=self._effects, observers=notified, owner=owner)
        filing = Filing(
            journal=journal,
            executor=executor,
            catalogue=self._catalogue,
            form_check=form_check,
            key_prefix=self._settings.key_prefix if self._settings else "",
            entropy=entropy,
        )
        super().__init__(journal, executor, filing, Permissions(authorize))
        self._joining = Joining(journal, executor, filing)
        self._inbox = Inbox(
            journal=journal,
            executor=executor,
            gateway=gateway,
            observers=notified,
            signer=self._addresses.signer,
            after=after_callback,
            around=self._around_look,
        )
        self._reconciler = Reconciler(journal=journal, executor=executor, gateway=gateway, observers=notified)

    def effect(
        self, state: str, *, name: str = "", aliases: tuple[str, ...] = ()
    ) -> Callable[[EffectFunction], EffectFunction]:
        """Return a decorator that makes a function an effect of a state, as ``effects=`` does for an `Effect`.

        For example::

            @workflow.effect(State.APPROVED)
            def start_collector(call: EffectCall) -> None: ...

        Use it where the workflow is created: a change that entered the state before has no such effect.

        Args:
            state: The state after whose entry the function is called.
            name: The name that is stored; by default the function's. A renamed function needs its earlier name here.
            aliases: Earlier names of the effect.

        Raises:
            DefinitionError: The workflow does not have the state. From the decorator: another effect has the name, or
                the definition names its effects and this is not one of them.
        """
        self._effects.check_state(state)

        def add(run: EffectFunction) -> EffectFunction:
            self._effects.add(state, Effect(name or getattr(run, "__name__", ""), run, aliases))
            self._journal.aliases, self._journal.effects = self._effects.aliases, self._effects.names
            return run

        return add

    # ---------------------------------------------------------------- filing

    def apply(
        self,
        *,
        subject: str,
        title: str = "",
        applicant: str = "",
        approvers: Collection[str] = (),
        content: str = "",
        fields: Mapping[str, object] | None = None,
        actor: str | None = None,
        form_check: FormCheck | None = None,
        send: Literal["now", "on_commit"] = "now",
        within: object | None = None,
    ) -> ChangeRequest:
        """File a change: store the intent, send the request once, store its outcome.

        If the subject has a draft, the draft is revised and submitted; otherwise a new change is created. If the
        outcome of the request is unknown, the change is returned in ``applying``, and later passes look the ticket up
        by its key.

        Args:
            subject: The thing to change.
            title: The ticket's title; required.
            applicant: The user who asks for the change, and becomes the ticket's creator; required.
            approvers: The users who may approve, if the gateway's service does not name its own: a list, tuple or set.
            content: The text for the approvers; by default made from the fields.
            fields: The form's fields by key, as JSON values.
            actor: The user who files the change, for the history; the applicant by default.
            form_check: A check of this form, in addition to the workflow's own.
            send: When to send the request. ``on_commit`` is for a transaction of the host, if the store is in the same
                database: the store of the host's own engine of SQLAlchemy, or ``django://``. The change is stored in
                this transaction, with the host's own rows: if it is undone, there is no change and no ticket. The
                change is returned in ``applying``, and its request is sent after the host's commit; if the process
                ends before that, the next `reconcile` sends it.
            within: The host's open `Connection` or `Session` of SQLAlchemy, for ``on_commit``. With ``django://``, the
                transaction is found without it; if none is open, the request is sent immediately.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. Nothing was stored or sent.
            NotPermitted: The host refuses it.
            AlreadyApplied: A change of the subject is open.
            RuntimeError: A transaction is open, and the request would be sent in it: with ``now``, or because the
                gateway would have to be asked for the service. Nothing was stored or sent.
            ValueError: ``send`` has another value, or the store cannot join the transaction.
            DefinitionError: Other processes have effects that this process does not name, and that would be lost.
            ServiceNotFound: The gateway does not have the service to file the ticket in.
            SettingsError: A setting that is needed to file is missing.
            StorageError: The store failed. Nothing was sent unless the change is stored, in ``applying``.
        """
        arguments = FormArguments(title=title, applicant=applicant, approvers=approvers, content=content, fields=fields)
        transaction = self._joining.find(send, within)
        subject, form = self._filing.check(subject, arguments, form_check)
        self._addresses.check()
        who = checked_person(actor, form.applicant)
        self._permissions.check(who, Act("apply", subject), None)
        if transaction is not None:
            return self._joining.apply(transaction, subject, form, who)
        return self._filing.apply(subject, form, who).change

    # ---------------------------------------------------------------- settling

    def receive(self, *, method: str, path: str, headers: Headers, body: bytes) -> CallbackResponse:
        """Process a callback from the gateway, and return the response. Never raises because of the request's content.

        Args:
            method: The HTTP method.
            path: The path as requested; a prefix under which the host mounted the route is ignored.
            headers: The request's headers: a mapping, or the headers object of a web framework.
            body: The body as received, at most 16 KiB.
        """
        try:
            incoming = without_frames(Incoming, method=method, path=path, headers=headers, body=body)
        finally:
            # They hold secrets, and a traceback from a later call may be shown with the variables of this frame.
            del path, headers, body
        return self._inbox.receive(incoming)

    @outside_transactions
    def settle(self, change_id: str) -> ChangeRequest:
        """Bring one change to what the gateway says now, and deliver its effects that are due.

        If the gateway fails, no error is raised: observers are notified, and the change stays due.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
        """
        check_text("settle(change_id)", change_id)
        self._catalogue.note()
        return self._executor.advance(change_id, forced=True).change

    @outside_transactions
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
                `Policy.look_least` later. The list of undelivered callbacks may take half of this time.
            readers: The number of changes that are read from the gateway concurrently, in threads; 1 uses no thread.
            progress: Called with the report so far, after each page.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: A number is too low, or NaN.
        """
        self._reconciler.check(limit=limit, seconds=seconds, readers=readers, progress=progress)
        self._catalogue.note()
        return self._reconciler.run(limit=limit, seconds=seconds, readers=readers, progress=progress)

    # ---------------------------------------------------------------- reading

    def status(self, change_id: str, *, live: bool = False, language: str = "en") -> Status:
        """Return the facts about a change that a page shows.

        Args:
            change_id: The change.
            live: Whether to ask the gateway for the page to embed and for the ticket's status. If the gateway fails,
                both are None, and observers are notified. Nothing is stored, or cleared at the gateway.
            language: The language of the texts of effects, ``en`` or ``zh``.
        """
        check_flag("status(live=...)", live)
        shown = super().status(change_id, language=language)
        if not live:
            return shown
        check_outside(self._journal.storage, "status(live=True)")
        standing, iframe = self._executor.calls.standing(self.get(change_id))
        return attrs.evolve(
            shown, iframe_ticket_url=iframe or None, ticket_status=None if standing is None else standing.value
        )

    def why(self, change_id: str, *, live: bool = False, language: str = "en") -> str:
        """Return one sentence that says what the change waits for, since when, and when the next look is.

        Args:
            change_id: The change.
            live: Whether to ask the gateway for the ticket's status, and to say so if the ticket is suspended. If the
                gateway fails, the sentence is the same as without ``live``, and observers are notified.
            language: The language of the sentence, ``en`` or ``zh``. What a person, the host or the ticket system
                wrote, and the texts of errors, are shown as they are.

        Raises:
            ValueError: There are no sentences in the language.
        """
        check_flag("why(live=...)", live)
        if not live:
            return self._why(change_id, language)
        check_outside(self._journal.storage, "why(live=True)")
        return self._why(change_id, language, self._executor.calls.standing(self.get(change_id))[0])

    def _status(self, change: ChangeRequest, language: str) -> Status:
        shown = super()._status(change, language)
        # The address was checked when the ticket was recorded, and by the settings of that time.
        return attrs.evolve(shown, ticket_url=page_url(shown.ticket_url, self._executor.calls.shows) or None)

    def close(self, *, seconds: float | None = None) -> None:
        """Wait for looks in the background, end waits, and close the store if the workflow opened it by its URL.

        An open store that was passed to the workflow stays open, since the caller or other workflows may use it.

        Args:
            seconds: The maximum time to wait, `Policy.close_wait` by default. A look that takes longer is abandoned:
                its change stays due, and another process looks at it.

        Raises:
            TypeError: ``seconds`` is not a number; nothing was closed.
            ValueError: ``seconds`` is below 0, NaN, or longer than a thread can wait; nothing was closed.
            RuntimeError: An effect or an observer calls it in a look after a callback; nothing was closed.
        """
        if seconds is not None:
            check_seconds("close(seconds=...)", seconds, most=threading.TIMEOUT_MAX)
        self._inbox.close(seconds)
        self._waits.close()
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
