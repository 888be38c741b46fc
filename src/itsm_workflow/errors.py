"""The errors of the library, as one tree.

::

    ItsmWorkflowError
    ├── DefinitionError             a workflow definition contradicts itself
    ├── SettingsError               a setting is missing or invalid
    ├── InvalidForm                 the arguments of a change are invalid
    ├── TransitionRefused           the machine refused a trigger
    ├── AlreadyApplied              the subject has an open change       (502)
    ├── NotPermitted                the host does not permit a person's act
    ├── NotApproved                 the subject's change is not approved (504)
    ├── ChangeNotFound              no change has that id, subject or sn
    ├── AmbiguousChange             several changes match that name
    ├── WaitTimeout                 the change did not end in the time of a wait; also a TimeoutError
    ├── WorkflowClosed              the workflow was closed during a wait
    ├── ServiceNotFound             the gateway lists no such service    (503)
    ├── CallbackRejected            a callback could not be authenticated
    │   └── CallbackTokenInvalid    the server's token did not verify    (501)
    ├── StorageError
    │   ├── StorageConflict         another writer was first
    │   ├── StorageUnavailable      the store cannot be reached or written
    │   ├── StorageCorrupt          the stored data is inconsistent
    │   └── StorageSchemaError      the store was written by another version
    └── GatewayError
        ├── GatewayUnavailable      nothing was sent
        │   └── GatewayNotAsked     nothing was tried: the circuit breaker is open, or the time is used up
        ├── GatewayTimeout          no answer in time: the outcome is unknown
        ├── GatewayRefused          the gateway refused the request
        └── GatewayProtocolError    the answer is not a BlueKing envelope
            ├── GatewayAnswerTooLarge   the answer exceeds the size limit
            └── GatewayMistake      the gateway adapter's own code failed

Each error has its facts as attributes, a stable dotted ``code``, and a ``platform_code`` if the log platform had one.
All errors can be pickled, since task queues send them between processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from itsm_workflow.text import short, short_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LISTED = 100


class ItsmWorkflowError(Exception):
    """The base class of all errors of this library."""

    code: ClassVar[str] = "itsm_workflow.error"
    platform_code: ClassVar[int | None] = None

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.__dict__.update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message and the facts, so that a subclass can have its own constructor."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[ItsmWorkflowError], args: tuple[object, ...], facts: dict[str, object]) -> ItsmWorkflowError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class DefinitionError(ItsmWorkflowError):
    """A workflow definition contradicts itself. The message lists each problem, as ``problems`` does unless empty."""

    code = "definition.invalid"
    problems: tuple[str, ...] = ()


class SettingsError(ItsmWorkflowError):
    """A setting is missing or invalid. The message names the environment variable that sets it."""

    code = "settings.invalid"


class InvalidForm(ItsmWorkflowError):
    """Arguments are invalid: parts of a form, or others such as an actor or a reason. The error lists every problem.

    Attributes:
        problems: A tuple ``(field, value, rule)`` for each problem. The message lists the first ones.
    """

    code = "form.invalid"
    problems: tuple[tuple[str, str, str], ...]

    def __init__(self, problems: Iterable[tuple[str, str, str]]) -> None:
        listed = tuple(dict.fromkeys((short(field), value, rule) for field, value, rule in problems))
        lines = "; ".join(f"{field}{value and f'={value}'}: {rule}" for field, value, rule in listed[:_LISTED])
        lines += f"; and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        super().__init__(f"the arguments were refused, nothing was stored or sent: {lines}", problems=listed)


class TransitionRefused(ItsmWorkflowError):
    """The machine refused a trigger. Nothing was changed.

    Attributes:
        state: The state of the change.
        trigger: The trigger.
        reason: The reason for the refusal.
        operation: The operation, as the caller named it; the trigger if the refusal was raised below `Workflow`.
        allowed: The operations that `Workflow.allowed` lists for the caller now; empty if raised below `Workflow`.
    """

    code = "machine.refused"
    state: str
    trigger: str
    reason: str
    operation: str
    allowed: tuple[str, ...]

    def __init__(
        self, *, state: str, trigger: str, reason: str, operation: str = "", allowed: Sequence[str] | None = None
    ) -> None:
        named = str(operation or trigger)
        possible = "" if allowed is None else f"; allowed now: {', '.join(allowed) or 'nothing'}"
        super().__init__(
            f"{short_line(named)} was refused in state {state}: {short_line(reason, 10_000)}{possible}",
            state=str(state),
            trigger=str(trigger),
            reason=reason,
            operation=named,
            allowed=tuple(map(str, allowed or ())),
        )

    def to_caller(self, *, operation: str, allowed: Sequence[str]) -> Self:
        """Return the same refusal with the operation as a caller of `Workflow` named it, and what is allowed now."""
        facts = {"state": self.state, "trigger": self.trigger, "reason": self.reason}
        return type(self)(**facts, operation=operation, allowed=allowed)


class AlreadyApplied(ItsmWorkflowError):
    """The subject already has an open change. Wait for it, withdraw it, or abandon it."""

    code = "change.already_applied"
    platform_code: ClassVar[int | None] = 502
    subject: str
    change_id: str

    def __init__(self, *, subject: str, change_id: str) -> None:
        super().__init__(
            f"subject {subject!r} already has an open change, {change_id}: wait until it ends, or withdraw it first",
            subject=subject,
            change_id=change_id,
        )


class NotPermitted(ItsmWorkflowError):
    """The host does not permit a person's act, see ``Workflow(authorize=...)``. Nothing was stored or sent.

    ``act`` is the act's `Act.name`; ``change_id`` is empty if the change does not exist yet.
    """

    code = "person.not_permitted"
    actor: str
    act: str
    subject: str
    change_id: str

    def __init__(self, *, actor: str, act: str, subject: str, change_id: str = "") -> None:
        who = f"{short(actor)!r} may not {short_line(act)}"
        on = f"change {change_id} of subject {subject!r}" if change_id else f"subject {subject!r}"
        facts = {"actor": actor, "act": act, "subject": subject, "change_id": change_id}
        super().__init__(f"{who} on {on}: ask a person who may; nothing was stored or sent", **facts)


class NotApproved(ItsmWorkflowError):
    """The subject has no approved change."""

    code = "change.not_approved"
    platform_code: ClassVar[int | None] = 504
    subject: str
    state: str | None

    def __init__(self, *, subject: str, state: str | None, why: str) -> None:
        super().__init__(f"subject {subject!r} is not approved: {why}", subject=subject, state=state)


class ChangeNotFound(ItsmWorkflowError):
    """No change has that id, subject or sn.

    Attributes:
        name: The id, subject or sn that was looked for.
        workflow: Another workflow of the same store that has such a change, or an empty string.
    """

    code = "change.not_found"
    name: str
    workflow: str

    def __init__(self, *, name: str, workflow: str = "", by_id: bool = False) -> None:
        searched, advice = "id, subject or sn", "`itsm-workflow list` lists all changes"
        if workflow:
            advice = f"a change of workflow {workflow} has it: name the application of that workflow (--app)"
        elif by_id:
            searched, advice = "id", "Workflow.resolve finds a change by its id, subject or sn"
        super().__init__(f"no change has the {searched} {short(name)!r}; {advice}", name=name, workflow=workflow)


class AmbiguousChange(ItsmWorkflowError):
    """Several changes match that id, subject or sn.

    Attributes:
        candidates: The ids of these changes.
    """

    code = "change.ambiguous"
    name: str
    candidates: tuple[str, ...]

    def __init__(self, *, name: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f"{name!r} names {len(candidates)} changes, give the id of one: {', '.join(candidates)}",
            name=name,
            candidates=tuple(candidates),
        )


class WaitTimeout(ItsmWorkflowError, TimeoutError):
    """The change ``change_id`` did not end in time, and was in ``state``. It goes on: wait again, or read it later."""

    code = "change.wait_timeout"
    change_id: str
    state: str


class WorkflowClosed(ItsmWorkflowError):
    """The workflow was closed while a caller waited for a change. The change goes on."""

    code = "workflow.closed"


class ServiceNotFound(ItsmWorkflowError):
    """The gateway lists no service that matches the settings."""

    code = "gateway.service_not_found"
    platform_code: ClassVar[int | None] = 503


class CallbackRejected(ItsmWorkflowError):
    """A callback could not be authenticated. The response to the sender never names the check that failed."""

    code = "callback.rejected"


class CallbackTokenInvalid(CallbackRejected):
    """The gateway reports that the token in the callback is not its own."""

    code = "callback.token_invalid"
    platform_code: ClassVar[int | None] = 501


class StorageError(ItsmWorkflowError):
    """The base class of storage errors."""

    code = "storage.error"


class StorageConflict(StorageError):
    """Another writer was first. Reload the change and decide again.

    Attributes:
        change_id: The change that was not written.
        kind: ``version``, ``subject`` or ``ticket``.
        holder: The change that holds the subject or the ticket, or an empty string.
    """

    code = "storage.conflict"
    change_id: str
    kind: str
    holder: str

    def __init__(self, *, change_id: str, kind: str, holder: str = "", words: str = "") -> None:
        lost = f"it lost a race on its {kind}; reload it and try again"
        why = f"its {kind} belongs to change {holder}" if holder else lost
        message = words or f"change {change_id} was not written: {why}"
        super().__init__(message, change_id=change_id, kind=kind, holder=holder)


class StorageUnavailable(StorageError):
    """The store cannot be reached or written. If a commit raised it, its outcome is unknown: read the change again."""

    code = "storage.unavailable"


class StorageCorrupt(StorageError):
    """The stored data is inconsistent: a wrong checksum, a gap, or an unknown structure."""

    code = "storage.corrupt"


class StorageSchemaError(StorageError):
    """The store has a newer schema than this version, or an older one that only an upgrade can open.

    Attributes:
        found: The schema of the store or of the document, or None where another cause than a number is named.
        known: The schema that this version writes, or None likewise.
    """

    code = "storage.schema"
    found: int | None = None
    known: int | None = None


class GatewayError(ItsmWorkflowError):
    """A call to the ticket gateway did not return a usable answer.

    Attributes:
        endpoint: The endpoint's name, e.g. ``create_ticket``.
        remote_code: The code of the gateway's envelope, a number or a word, if there was one.
        status: The HTTP status, if there was one.
        request_id: The library's id of the call, which also appears in the gateway's log.
        remote_message: The gateway's message, cleaned and truncated; in the gateway's language, for people only.
        gateway_code: The code with which the API gateway itself refused the call (``X-Bkapi-Error-Code``), or empty.
        chunk: The items or rows of the call, if it was one of several calls.
    """

    code = "gateway.error"
    endpoint: str
    remote_code: int | str | None
    status: int | None
    request_id: str
    remote_message: str = ""
    gateway_code: str = ""
    chunk: range | None = None

    def __init__(
        self,
        message: str,
        *,
        endpoint: str,
        request_id: str = "",
        remote_code: int | str | None = None,
        remote_message: str = "",
        status: int | None = None,
    ) -> None:
        code = remote_code is not None
        facts = {f"code {remote_code}": code, f"HTTP {status}": status, f"request {request_id}": request_id}
        detail = ", ".join(fact for fact, is_known in facts.items() if is_known and fact not in message)
        super().__init__(
            f"{endpoint}: {message}{remote_message and f': {remote_message}'}" + (f" ({detail})" if detail else ""),
            endpoint=endpoint,
            request_id=request_id,
            remote_code=remote_code,
            remote_message=remote_message,
            status=status,
        )


class GatewayUnavailable(GatewayError):
    """Nothing was sent: the name look-up, the connection or TLS failed. The call can be repeated safely."""

    code = "gateway.unavailable"


class GatewayNotAsked(GatewayUnavailable):
    """Nothing was tried: several calls in a row were not answered, or the operation's time is used up.

    A pass over many changes stops here. The error shows nothing about the gateway or the ticket.
    """

    code = "gateway.not_asked"


class GatewayTimeout(GatewayError):
    """No complete answer arrived in time. The gateway may have carried out the request."""

    code = "gateway.timeout"


class GatewayRefused(GatewayError):
    """The gateway answered, well-formed, with ``result: false``."""

    code = "gateway.refused"


class GatewayProtocolError(GatewayError):
    """The answer is not a BlueKing envelope. The gateway may have carried out the request."""

    code = "gateway.protocol"


class GatewayAnswerTooLarge(GatewayProtocolError):
    """The answer exceeds the size limit of the endpoint. A retry does not help; a person must check the gateway."""

    code = "gateway.too_large"


class GatewayMistake(GatewayProtocolError):
    """A gateway adapter raised, or returned a value of the wrong type. The gateway may have carried out the request."""

    code = "gateway.mistake"
