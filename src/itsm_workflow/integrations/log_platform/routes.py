"""The three routes of a host, without a web framework: callback, status and application.

An integration passes plain values, and sends the answer that it gets. It decides who the person is, and it asks the
host for the permission.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypedDict

import attrs

from itsm_workflow.callbacks.parse import call_receive, refusal
from itsm_workflow.errors import InvalidForm, SettingsError
from itsm_workflow.form import shown
from itsm_workflow.integrations.log_platform.answers import NOT_PERMITTED, answer_to, failure, logger, success
from itsm_workflow.integrations.log_platform.form import CollectorForm
from itsm_workflow.integrations.log_platform.status import collector_status
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from itsm_workflow.callbacks.parse import CallbackResponse, Incoming
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.integrations.log_platform.answers import PlatformAnswer
    from itsm_workflow.workflow import Workflow

VIEW, APPLY = "view", "apply"
"""The actions for which a host gives a permission."""

MAX_APPLICATION = 256 * 1024
"""The maximum size of an application in bytes."""

FIELDS = tuple(name for name in CollectorForm.__annotations__)
"""The names of the form's eight fields; no other fact has one of them, so that they cannot replace it."""

_TEXTS = ("title", "content")
_COLLECTOR = re.compile(r"[-a-zA-Z0-9_]+")


class ApplicationArguments(TypedDict):
    """The arguments of `Workflow.apply` that an application gives."""

    title: str
    content: str
    approvers: Collection[str]
    applicant: str
    fields: Mapping[str, object]


def subject_of(collector: str) -> str:
    """Return the subject of a collector's changes."""
    return f"collector-{collector}"


def read_application(body: bytes) -> dict[str, object]:
    """Return the JSON object in the body of an application.

    Raises:
        InvalidForm: The body is too large, or is not a JSON object.
    """
    if len(body) > MAX_APPLICATION:
        raise InvalidForm([("body", f"over {MAX_APPLICATION} bytes", f"must have at most {MAX_APPLICATION} bytes")])
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise InvalidForm([("body", shown(found), f"must be a JSON object with the fields {', '.join(FIELDS)}")])
    return dict(found)


def application_arguments(body: Mapping[str, object], applicant: str) -> ApplicationArguments:
    """Return the arguments of `Workflow.apply` for an application, without the subject.

    Args:
        body: The JSON object: the eight fields, ``title``, and if wanted ``approvers`` and ``content``.
        applicant: The user.

    Raises:
        InvalidForm: The fields are invalid, or some are missing.
    """
    rest = dict(body)
    title, content = (rest.pop(name, "") for name in _TEXTS)
    approvers = rest.pop("approvers", ())
    return {  # `Workflow.apply` checks the types of the other values together with the form
        "title": title,  # type: ignore[typeddict-item]  # as said above
        "content": content,  # type: ignore[typeddict-item]  # as said above
        "approvers": tuple(approvers) if isinstance(approvers, list) else approvers,  # type: ignore[typeddict-item]  # as said above
        "applicant": applicant,
        "fields": CollectorForm.from_mapping(rest).fields(),
    }


def status_data(workflow: Workflow, change: ChangeRequest | None, *, live: bool = False) -> dict[str, object]:
    """Return the data that the log platform's pages show.

    Args:
        workflow: The workflow.
        change: The newest change of the collector; None if it never applied.
        live: Whether to ask the gateway for the page to embed.
    """
    status = collector_status(change, workflow.definition)
    data: dict[str, object] = {
        "collect_itsm_status": status.value,
        "collect_itsm_status_display": status.label,
        "sn": None,
        "ticket_url": None,
        "iframe_ticket_url": None,
        **dict.fromkeys(FIELDS),
    }
    if change is not None:
        facts = workflow.status(change.id, live=live)
        data |= {"sn": facts.sn, "ticket_url": facts.ticket_url, "iframe_ticket_url": facts.iframe_ticket_url}
        data |= {name: facts.form.fields.get(name) for name in FIELDS}
    return data


def receive_callback(get_workflow: Callable[[], Workflow], incoming: Incoming) -> CallbackResponse:
    """Pass a callback to the workflow; if the workflow cannot be opened, answer so that it is listed as undelivered.

    A framework's page of an error shows the headers of the request, and one of them is the credential. So no error is
    raised; it is logged.
    """
    try:
        return call_receive(get_workflow().receive, incoming)
    except Exception:  # noqa: BLE001 - whatever it is, it is logged
        logger.exception("A callback was not stored.")
        return refusal(503, "the callback was not stored: list it as not delivered")


def checked_permission(answer: object, hook: str) -> bool:
    """Return the answer of a host's function that decides a permission.

    Args:
        answer: The result of the function.
        hook: The name under which the host gave the function.

    Raises:
        SettingsError: The answer is neither True nor False.
    """
    if not isinstance(answer, bool):
        raise SettingsError(f"{hook} must return True or False, not {kind_of(answer)}")
    return answer


def not_permitted(action: str, collector: str) -> PlatformAnswer:
    """Return the answer to a person without the permission."""
    what = f"apply for collector {collector}" if action == APPLY else f"see the changes of collector {collector}"
    return failure(403, f"you may not {what}", code=NOT_PERMITTED)


@attrs.frozen(kw_only=True)
class CollectorRoutes:
    """The routes of a host that has no views of its own.

    Attributes:
        get_workflow: Returns the workflow.
        subject: Returns the subject of a collector's changes.
        complete: Takes a collector and the JSON object of an application, and returns the object to use, for example
            with a title.
    """

    get_workflow: Callable[[], Workflow]
    subject: Callable[[str], str] = subject_of
    complete: Callable[[str, dict[str, object]], Mapping[str, object]] | None = None

    def callback(self, incoming: Incoming) -> CallbackResponse:
        """Receive a callback."""
        return receive_callback(self.get_workflow, incoming)

    def refused(
        self, collector: str, action: str, *, person: object, permitted: Callable[[], object]
    ) -> PlatformAnswer | None:
        """Return the answer to a request that is refused, or None.

        Args:
            collector: The collector, as in the path.
            action: The action.
            person: The user name; anything else than text, or an empty text, is not a known person.
            permitted: Asks the host for the permission.
        """

        def decide() -> PlatformAnswer:
            is_permitted = checked_permission(permitted(), "permit(person, action, collector)")
            return success(None) if is_permitted else not_permitted(action, collector)

        if not (isinstance(person, str) and person):
            return failure(401, "log in first: it is not known who you are", code=401)
        if not _COLLECTOR.fullmatch(collector):
            return failure(404, "there is no such collector", code=404)
        answer = answer_to(f"to {action}", decide)
        return None if answer.body["result"] else answer

    def status(self, collector: str, *, live: bool) -> PlatformAnswer:
        """Return the collector's status, the ticket's pages, and the eight fields of the form."""

        def call() -> PlatformAnswer:
            workflow = self.get_workflow()
            return success(status_data(workflow, workflow.newest(self.subject(collector)), live=live))

        return answer_to("for a status", call)

    def apply(self, collector: str, *, person: str, content_type: str, body: bytes) -> PlatformAnswer:
        """File a change by the JSON object in the body, and return the status of the collector.

        Another content type than JSON is refused, since a page of another site can send it in the name of a user who is
        logged in.

        Args:
            collector: The collector.
            person: The applicant.
            content_type: The header of this name.
            body: The body, at most one byte more than `MAX_APPLICATION`.
        """

        def call() -> PlatformAnswer:
            asked = read_application(body)
            if self.complete is not None:
                asked = dict(self.complete(collector, asked))
            workflow = self.get_workflow()
            arguments = application_arguments(asked, person)
            change = workflow.apply(subject=self.subject(collector), **arguments)
            return success(status_data(workflow, change))

        if content_type.partition(";")[0].strip().lower() != "application/json":
            return failure(415, "send the application as application/json")
        return answer_to("to apply", call)
