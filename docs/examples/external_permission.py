"""Access for external users: requested by resources and users, approved by ticket, granted, later revoked.

The approval is the library's. This host adds one state, one trigger, and two effects on its own table of permissions.
"""

from __future__ import annotations

import datetime as dt
import enum
import hashlib
import json
from typing import TYPE_CHECKING, Any, TypedDict

import attrs

from itsm_workflow import Effect, Roles, Transition, Workflow, approval_workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow import ChangeRequest, EffectCall, Facts, Form
    from itsm_workflow.form import Problem


# ---------------------------------------------------------------- words


class State(enum.StrEnum):
    """The states of a permission. The names are stored: choose them once."""

    DRAFT = "draft"
    FILING = "filing"
    WAITING = "waiting"
    UNDELIVERED = "undelivered"
    REFUSED = "refused"
    GRANTED = "granted"
    REVOKED = "revoked"


class Trigger(enum.StrEnum):
    """The trigger that this host fires; the library has those of the approval."""

    REVOKE = "revoke"


@attrs.frozen(kw_only=True)
class Revocation:
    """Evidence: the reason of a revocation. The entry already has the actor."""

    reason: str


# ---------------------------------------------------------------- the table


def says_why(facts: Facts) -> str | None:
    """Return None if there is a reason, else why the revocation is refused."""
    return None if facts.expect(Revocation).reason.strip() else "the users will ask why: give a reason"


def with_the_reason(facts: Facts) -> ChangeRequest:
    """Store the reason in `data`, which belongs to the host, for its pages."""
    return attrs.evolve(facts.change, data={**facts.change.data, "revoked_because": facts.expect(Revocation).reason})


ROLES = Roles(
    asking=State.FILING,
    waiting=State.WAITING,
    undelivered=State.UNDELIVERED,
    granted=State.GRANTED,  # not final: the change holds its subject as long as the permission is in force
    refused=State.REFUSED,
)

S, T, row = State, Trigger, Transition  # a table reads better with short names

# fmt: off
EXTERNAL_PERMISSION = approval_workflow(
    "external_permission", states=S, roles=ROLES,
    transitions=(
        row(trigger=T.REVOKE, sources=(S.GRANTED,), dest=S.REVOKED, evidence=Revocation,
            guard=says_why, update=with_the_reason, note="taken back, or over"),
    ),
    grants={S.REVOKED: False},  # a revoked permission no longer counts as approved
)
# fmt: on


# ---------------------------------------------------------------- the form


class Wanted(TypedDict):
    """The form's fields, as JSON values: the users, what they may see, and until when."""

    space: str
    action: str
    resources: Sequence[str]
    users: Sequence[str]
    until: str


def subject_of(wanted: Wanted) -> str:
    """Return the same subject for the same users and resources in any order, so that only one change is open."""
    who_and_what = json.dumps([sorted(wanted["users"]), sorted(wanted["resources"])])
    return f"{wanted['space']}/{wanted['action']}/{hashlib.sha256(who_and_what.encode()).hexdigest()[:16]}"


def problems_of(form: Form) -> Sequence[Problem]:
    """Return all problems of a form, before anything is stored or sent."""
    return tuple(_problems(form.fields))


def _problems(fields: Mapping[str, object]) -> Iterator[Problem]:
    for name in ("users", "resources"):
        if not fields.get(name):
            yield name, repr(fields.get(name)), "name at least one"
    try:
        dt.date.fromisoformat(str(fields.get("until")))
    except ValueError:
        yield "until", repr(fields.get("until")), "must be a date, e.g. 2026-12-31"


# ---------------------------------------------------------------- the effects


@attrs.frozen(kw_only=True)
class Permission:
    """One row of the host's table."""

    users: frozenset[str]
    resources: frozenset[str]
    revoked: bool = False


class Permissions:
    """The host's table: one row for each change. A revoked row stays revoked.

    An effect runs at least once, and a late repetition of `grant` may run after `revoke`. Both are safe here: `grant`
    leaves an existing row unchanged, and `revoke` adds a row that is already revoked.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Permission] = {}

    def grant(self, call: EffectCall) -> None:
        """Add the row, unless it exists."""
        self.rows.setdefault(call.change.id, _row_of(call.change.form.fields))

    def revoke(self, call: EffectCall) -> None:
        """Mark the row as revoked, and add it first if it does not exist."""
        row = self.rows.get(call.change.id) or _row_of(call.change.form.fields)
        self.rows[call.change.id] = attrs.evolve(row, revoked=True)

    def allows(self, user: str, resource: str) -> bool:
        """Return whether the user may see the resource."""
        return any(user in row.users and resource in row.resources and not row.revoked for row in self.rows.values())


def _row_of(fields: Mapping[str, Any]) -> Permission:
    return Permission(users=frozenset(fields.get("users", ())), resources=frozenset(fields.get("resources", ())))


def effects(permissions: Permissions) -> Mapping[str, Sequence[Effect]]:
    """Return the effects of each state."""
    return {
        State.GRANTED: [Effect("grant", permissions.grant)],
        State.REVOKED: [Effect("revoke", permissions.revoke)],
    }


# ---------------------------------------------------------------- the host


def open_workflow(permissions: Permissions, **options: Any) -> Workflow:
    """Return the workflow; the options are the store, the gateway and so on."""
    return Workflow(definition=EXTERNAL_PERMISSION, effects=effects(permissions), form_check=problems_of, **options)


def ask(workflow: Workflow, wanted: Wanted, *, applicant: str, approvers: Sequence[str]) -> ChangeRequest:
    """Ask for a permission."""
    title = f"{wanted['action']} in {wanted['space']} until {wanted['until']}"
    return workflow.apply(
        subject=subject_of(wanted), title=title, applicant=applicant, approvers=approvers, fields={**wanted}
    )


def revoke(workflow: Workflow, change_id: str, *, actor: str, reason: str) -> ChangeRequest:
    """Revoke a permission."""
    return workflow.fire(change_id, Trigger.REVOKE, Revocation(reason=reason), actor=actor)


def revoke_what_is_over(workflow: Workflow, today: dt.date) -> None:
    """Revoke every permission whose last day has passed; call it each night."""
    for change in workflow.find(states=[State.GRANTED]):
        if dt.date.fromisoformat(str(change.form.fields["until"])) < today:
            revoke(workflow, change.id, actor="calendar", reason="its time is over")
