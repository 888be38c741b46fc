"""Every error the library raises, as one tree.

::

    ItsmWorkflowError
    ├── DefinitionError             a workflow definition contradicts itself
    ├── SettingsError               a setting is missing or cannot be right
    ├── InvalidForm                 a change was asked for with wrong values
    ├── TransitionRefused           the machine says no
    ├── AlreadyApplied              the subject has an open change       (502)
    ├── NotApproved                 the subject's change is not approved (504)
    ├── ChangeNotFound              no change goes by that name
    ├── AmbiguousChange             several changes go by that name
    ├── ServiceNotFound             the gateway lists no such service    (503)
    ├── CallbackRejected            a callback was not believed
    │   └── CallbackTokenInvalid    the server's token did not verify    (501)
    ├── StorageError
    │   ├── StorageConflict         somebody else wrote first
    │   ├── StorageUnavailable      the store cannot be reached or written
    │   ├── StorageCorrupt          what is stored cannot be true
    │   └── StorageSchemaError      the store was written by another version
    └── GatewayError
        ├── GatewayUnavailable      nothing was sent
        │   └── GatewayNotAsked     nothing was tried: the gateway rests, or the time is used up
        ├── GatewayTimeout          no answer in time: the outcome is unknown
        ├── GatewayRefused          the gateway answered no
        └── GatewayProtocolError    the answer is not the gateway's language
            ├── GatewayAnswerTooLarge   the answer is larger than may be held
            └── GatewayMistake      the gateway's own code failed

Each error carries its facts as attributes, a stable dotted ``code``, and (where the log platform had one)
its ``platform_code``. All survive pickling, since task queues ship them between processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LINE = 200
_LISTED = 100


def _short(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"


class ItsmWorkflowError(Exception):
    """Base of every error of this library."""

    code: ClassVar[str] = "itsm_workflow.error"
    platform_code: ClassVar[int | None] = None

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.__dict__.update(facts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from message and facts, so that subclasses may choose their own constructor."""
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(cls: type[ItsmWorkflowError], args: tuple[object, ...], facts: dict[str, object]) -> ItsmWorkflowError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class DefinitionError(ItsmWorkflowError):
    """A workflow definition contradicts itself; the message names the culprit."""

    code = "definition.invalid"


class SettingsError(ItsmWorkflowError):
    """A setting is missing or cannot be right; the message names the variable that sets it."""

    code = "settings.invalid"


class InvalidForm(ItsmWorkflowError):
    """A change was asked for with wrong values; every problem is listed at once.

    Attributes:
        problems: One ``(field, value, rule)`` for each thing that is wrong. The message lists the first of them.
    """

    code = "form.invalid"
    problems: tuple[tuple[str, str, str], ...]

    def __init__(self, problems: Iterable[tuple[str, str, str]]) -> None:
        listed = tuple(dict.fromkeys((_short(field), value, rule) for field, value, rule in problems))
        lines = "; ".join(f"{field}={value}: {rule}" for field, value, rule in listed[:_LISTED])
        lines += f"; and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        super().__init__(f"the form was refused, nothing was stored or sent: {lines}", problems=listed)


class TransitionRefused(ItsmWorkflowError):
    """The machine refused a trigger; nothing was changed.

    Attributes:
        state: The state in which the trigger was fired.
        trigger: The trigger.
        reason: Why it was refused.
        allowed: The triggers of the state that the caller can fire, in the order of the table. The one that was refused
            is among them if the table has it there: other evidence, or another time, may pass. The message leaves it
            out.
    """

    code = "machine.refused"
    state: str
    trigger: str
    reason: str
    allowed: tuple[str, ...]

    def __init__(self, *, state: str, trigger: str, reason: str, allowed: Sequence[str] = ()) -> None:
        others = [one for one in allowed if one != trigger]
        possible = ", ".join(others) or ("nothing else" if allowed else "nothing")
        super().__init__(
            f"{_short(trigger)} was refused in state {state}: {_short(reason, 10_000)}; allowed there: {possible}",
            state=str(state),
            trigger=str(trigger),
            reason=reason,
            allowed=tuple(map(str, allowed)),
        )

    def with_allowed(self, allowed: Sequence[str]) -> Self:
        """Return the same refusal, to be raised to a caller who can fire other triggers than the machine."""
        return type(self)(state=self.state, trigger=self.trigger, reason=self.reason, allowed=allowed)


class AlreadyApplied(ItsmWorkflowError):
    """The subject already has an open change; wait for it, withdraw it, or abandon it."""

    code = "change.already_applied"
    platform_code = 502
    subject: str
    change_id: str

    def __init__(self, *, subject: str, change_id: str) -> None:
        super().__init__(
            f"subject {subject!r} already has an open change, {change_id}: wait until it ends, or withdraw it first",
            subject=subject,
            change_id=change_id,
        )


class NotApproved(ItsmWorkflowError):
    """The subject has no approved change."""

    code = "change.not_approved"
    platform_code = 504
    subject: str
    state: str | None

    def __init__(self, *, subject: str, state: str | None, why: str) -> None:
        super().__init__(f"subject {subject!r} is not approved: {why}", subject=subject, state=state)


class ChangeNotFound(ItsmWorkflowError):
    """No change goes by that id, subject or sn.

    Attributes:
        workflow: Another workflow of the same store that has one, or an empty text.
    """

    code = "change.not_found"
    name: str
    workflow: str

    def __init__(self, *, name: str, workflow: str = "") -> None:
        advice = "`itsm-workflow list` shows all"
        if workflow:
            advice = f"one of workflow {workflow} has it: name the application of that workflow (--app)"
        super().__init__(f"no change has the id, subject or sn {name!r}; {advice}", name=name, workflow=workflow)


class AmbiguousChange(ItsmWorkflowError):
    """Several changes go by that name.

    Attributes:
        candidates: The ids of the changes that do.
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


class ServiceNotFound(ItsmWorkflowError):
    """The gateway lists no service of the wanted kind."""

    code = "gateway.service_not_found"
    platform_code = 503


class CallbackRejected(ItsmWorkflowError):
    """A callback was not believed; the outside is never told which check failed."""

    code = "callback.rejected"


class CallbackTokenInvalid(CallbackRejected):
    """The gateway says that the token in the callback is not its own."""

    code = "callback.token_invalid"
    platform_code = 501


class StorageError(ItsmWorkflowError):
    """Base of what can go wrong with a store."""

    code = "storage.error"


class StorageConflict(StorageError):
    """Somebody else wrote first; reload and decide again.

    Attributes:
        change_id: The change whose write lost.
        kind: ``version``, ``subject`` or ``ticket``.
        holder: The change that holds the subject or the ticket, or an empty text.
    """

    code = "storage.conflict"
    change_id: str
    kind: str
    holder: str

    def __init__(self, *, change_id: str, kind: str, holder: str = "") -> None:
        message = f"the write of change {change_id} lost a race on its {kind}: reload it and try again"
        if holder:
            message = f"change {change_id} was not written: its {kind} belongs to change {holder}"
        super().__init__(message, change_id=change_id, kind=kind, holder=holder)


class StorageUnavailable(StorageError):
    """The store cannot be reached or written; if a commit raised it, the outcome is unknown: re-read."""

    code = "storage.unavailable"


class StorageCorrupt(StorageError):
    """What is stored cannot be true (checksum, gap, unknown shape)."""

    code = "storage.corrupt"


class StorageSchemaError(StorageError):
    """The store or a document in it was written by a newer version of this library; or by an older one, to be read."""

    code = "storage.schema"


class GatewayError(ItsmWorkflowError):
    """A call to the ticket gateway did not bring an answer that counts.

    Attributes:
        endpoint: The endpoint's name, e.g. ``create_ticket``.
        remote_code: The code of the gateway's envelope, a number or a word, if there was one.
        status: The HTTP status, if there was one.
        request_id: Our id of the call, to be found in the gateway's log.
        remote_message: What the gateway said, cleaned and cut short; in the gateway's language, for people only.
        gateway_code: The code by which the API gateway itself refused the call (``X-Bkapi-Error-Code``), or empty.
        chunk: Which items or rows it was about, if the call was one of many.
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
        said = f": {remote_message}" if remote_message else ""
        facts = [f"code {remote_code}" if remote_code is not None else "", f"HTTP {status}" if status else ""]
        detail = ", ".join([*filter(None, facts), f"request {request_id}" if request_id else ""]).strip(", ")
        super().__init__(
            f"{endpoint}: {message}{said}" + (f" ({detail})" if detail else ""),
            endpoint=endpoint,
            request_id=request_id,
            remote_code=remote_code,
            remote_message=remote_message,
            status=status,
        )


class GatewayUnavailable(GatewayError):
    """Nothing was sent: name lookup, connect or TLS failed. Safe to send again."""

    code = "gateway.unavailable"


class GatewayNotAsked(GatewayUnavailable):
    """Nothing was even tried: several calls in a row were not answered, or the operation's time is used up.

    A pass over many changes stops here. Nothing is learned of the gateway or the ticket by it.
    """

    code = "gateway.not_asked"


class GatewayTimeout(GatewayError):
    """No complete answer in time. The request may have been carried out."""

    code = "gateway.timeout"


class GatewayRefused(GatewayError):
    """The gateway answered, well-formed, with ``result: false``."""

    code = "gateway.refused"


class GatewayProtocolError(GatewayError):
    """The answer is not a BlueKing envelope. The request may have been carried out."""

    code = "gateway.protocol"


class GatewayAnswerTooLarge(GatewayProtocolError):
    """The answer is larger than the endpoint allows. Asking again does not help; a person must look at the gateway."""

    code = "gateway.too_large"


class GatewayMistake(GatewayProtocolError):
    """A gateway's own code failed, or returned what is no answer. The request may have been carried out."""

    code = "gateway.mistake"


def describe(error: BaseException) -> str:
    """Return an error as one short line that a store can keep, whatever it says."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an error that cannot even say what it is
        text = type(error).__name__
    line = " ".join(text.split()).replace("\0", "\\0").encode(errors="backslashreplace").decode()
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
