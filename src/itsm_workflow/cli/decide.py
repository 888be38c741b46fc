"""The commands that act. They need the gateway, and the effects that follow an approval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from itsm_workflow.change import EffectStatus, Phase
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, print_change, resolved
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.cli.values import field, reason_text
from itsm_workflow.integrations.log_platform import CollectorForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.workflow import Workflow

_actor = click.option("--actor", required=True, help="The person who decides this; stays in the history.")
_reason = click.option("--reason", required=True, type=reason_text, metavar="TEXT", help="Why; stays in the history.")


@click.command()
@click.option("--subject", required=True, help="What the change is about, such as a collector's id.")
@click.option("--title", required=True, help="The ticket's title.")
@click.option("--applicant", required=True, help="The person who asks; becomes the ticket's creator.")
@click.option("--approver", "approvers", multiple=True, help="A person who may decide; may be repeated.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    type=field,
    metavar="KEY=VALUE",
    help="A field. A value that is valid JSON counts as JSON, any other as text; may be repeated.",
)
@click.option("--content", default="", help="The text that the approver reads; by default the fields.")
@click.option("--actor", help="The person who files it; stays in the history. By default the applicant.")
@click.option("--collector", is_flag=True, help="Check the eight fields of a collector.")
@click.option("--dry-run", is_flag=True, help="Print the body that would be sent; send and store nothing.")
@json_option
@placed
def apply(
    place: Place,
    approvers: tuple[str, ...],
    fields: tuple[tuple[str, object], ...],
    actor: str | None,
    *,
    collector: bool,
    dry_run: bool,
    in_json: bool,
    **asked: Any,
) -> Exit:
    """File a change: store the intent, send it once, and store the result."""
    keys = [key for key, _ in fields]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise click.UsageError(f"--field names {', '.join(twice)} more than once")
    asked |= {"approvers": approvers, "fields": dict(fields)}
    if collector:
        asked["form_check"] = CollectorForm.check
    with troubles(), place.workflow(stored=not dry_run) as workflow:
        if dry_run:
            as_json(dict(workflow.preview(**asked)))
            return Exit.DONE
        change = workflow.apply(actor=actor, **asked)
        print_change(workflow, change, in_json=in_json)
        return _filed(workflow, change)


@click.command()
@click.argument("name", metavar="ID")
@_actor
@_reason
@json_option
@placed
def withdraw(place: Place, name: str, actor: str, reason: str, *, in_json: bool) -> Exit:
    """Ask the gateway to withdraw the ticket; the change ends when the gateway shows it withdrawn."""
    return _act(place, name, in_json, lambda workflow, one: workflow.withdraw(one.id, actor=actor, reason=reason))


@click.command("accept-after-withdrawal")
@click.argument("name", metavar="ID")
@_actor
@_reason
@json_option
@placed
def accept_after_withdrawal(place: Place, name: str, actor: str, reason: str, *, in_json: bool) -> Exit:
    """Let a ticket that was withdrawn and then revived decide the change."""

    def accept(workflow: Workflow, change: ChangeRequest) -> ChangeRequest:
        return workflow.accept_after_withdrawal(change.id, actor=actor, reason=reason)

    return _act(place, name, in_json, accept)


@click.command()
@click.argument("name", metavar="ID")
@_actor
@_reason
@click.option(
    "--evidence",
    type=reason_text,
    metavar="TEXT",
    help="If the look-ups failed: where you looked in the ticket system itself, and what you found.",
)
@json_option
@placed
def resend(place: Place, name: str, actor: str, reason: str, evidence: str | None, *, in_json: bool) -> Exit:
    """Send the ticket again with the same key, after the look-ups found no ticket."""
    with troubles(), place.workflow() as workflow:
        change = workflow.resend(resolved(workflow, name).id, actor=actor, reason=reason, evidence=evidence or "")
        print_change(workflow, change, in_json=in_json)
        return _filed(workflow, change)


@click.command()
@click.argument("name", metavar="ID")
@_actor
@_reason
@json_option
@placed
def abandon(place: Place, name: str, actor: str, reason: str, *, in_json: bool) -> Exit:
    """Give up a draft, a submission whose ticket was not found, or a change whose ticket asks no person."""
    return _act(place, name, in_json, lambda workflow, one: workflow.abandon(one.id, actor=actor, reason=reason))


@click.command("record-ticket")
@click.argument("name", metavar="ID")
@click.option("--sn", required=True, help="The ticket's number.")
@click.option("--ticket-id", help="The ticket's id; needed if several tickets have that number.")
@click.option(
    "--override",
    default="",
    metavar="TEXT",
    help="Why a ticket that differs from what was sent belongs to the change all the same.",
)
@_actor
@json_option
@placed
def record_ticket(  # noqa: PLR0917 - click passes by name
    place: Place, name: str, sn: str, ticket_id: str | None, override: str, actor: str, *, in_json: bool
) -> Exit:
    """Bind a change to a ticket that a person found. A ticket that differs from what was sent needs --override."""

    def record(workflow: Workflow, change: ChangeRequest) -> ChangeRequest:
        return workflow.record_ticket(change.id, sn=sn, ticket_id=ticket_id, actor=actor, override=override)

    return _act(place, name, in_json, record)


@click.command("attest-approval")
@click.argument("name", metavar="ID")
@click.option("--ticket-id", required=True, help="The ticket's id, as its page in the ticket system shows it.")
@click.option("--approver", required=True, help="The user who approved the ticket.")
@click.option("--evidence", required=True, help="What shows the approval, in words; stays in the history.")
@click.option("--actor", required=True, help="The person who attests it: neither the applicant nor the approver.")
@json_option
@placed
def attest_approval(  # noqa: PLR0917 - click passes by name
    place: Place,
    name: str,
    ticket_id: str,
    approver: str,
    evidence: str,
    actor: str,
    in_json: bool,  # noqa: FBT001 - the same
) -> Exit:
    """Approve a change whose ticket was approved, if the gateway cannot show the approver."""

    def attest(workflow: Workflow, change: ChangeRequest) -> ChangeRequest:
        return workflow.attest_approval(
            change.id, ticket_id=ticket_id, approver=approver, evidence=evidence, actor=actor
        )

    return _act(place, name, in_json, attest)


@click.command("clear-attention")
@click.argument("name", metavar="ID")
@_actor
@_reason
@json_option
@placed
def clear_attention(place: Place, name: str, actor: str, reason: str, *, in_json: bool) -> Exit:
    """Mark the change as reviewed, and clear its attention."""
    return _act(
        place, name, in_json, lambda workflow, one: workflow.clear_attention(one.id, actor=actor, reason=reason)
    )


@click.command("retry-effect")
@click.argument("name", metavar="ID")
@click.argument("effect")
@_actor
@click.option("--reason", default="", help="Why; stays in the history.")
@json_option
@placed
def retry_effect(place: Place, name: str, effect: str, actor: str, reason: str, *, in_json: bool) -> Exit:
    """Deliver a parked effect again, by its name or id."""
    with troubles(), place.workflow() as workflow:
        change = resolved(workflow, name)
        effect_id = _effect_of(change, effect).id
        change = workflow.retry_effect(change.id, effect_id, actor=actor, reason=reason)
        print_change(workflow, change, in_json=in_json)
        retried = next(one for one in change.effects if one.id == effect_id)
    if retried.status is EffectStatus.DELIVERED:
        return Exit.DONE
    if retried.error and retried.tries:
        note(f"itsm-workflow: effect {retried.name} failed again: {clean(retried.error)}")
        return Exit.FAILED
    note(f"itsm-workflow: effect {retried.name} is due; the application that has it delivers it in its next pass")
    return Exit.DONE


@click.command()
@click.argument("name", metavar="ID")
@json_option
@placed
def settle(place: Place, name: str, *, in_json: bool) -> Exit:
    """Bring one change to what the gateway says now, and deliver its effects that are due."""
    with troubles() as shown, place.workflow() as workflow:
        before = resolved(workflow, name)
        after = workflow.settle(before.id)
        print_change(workflow, after, in_json=in_json)
    tried = {one.id: one.attempts for one in before.effects}
    failed = [one for one in after.effects if one.error and one.attempts > tried.get(one.id, 0)]
    for one in failed:
        note(f"itsm-workflow: effect {one.name} failed: {clean(one.error)}")
    if failed:
        return Exit.FAILED
    return Exit.GATEWAY if shown.gateway else Exit.DONE


def _act(
    place: Place,
    name: str,
    in_json: bool,  # noqa: FBT001 - passed on as it came
    action: Callable[[Workflow, ChangeRequest], ChangeRequest],
) -> Exit:
    with troubles() as shown, place.workflow() as workflow:
        print_change(workflow, action(workflow, resolved(workflow, name)), in_json=in_json)
    return Exit.GATEWAY if shown.gateway else Exit.DONE


def _filed(workflow: Workflow, change: ChangeRequest) -> Exit:
    """Report the result of a send, and return the exit code for it."""
    if change.state == workflow.definition.initial:
        note("itsm-workflow: the gateway refused the ticket; the change is a draft again")
        return Exit.GATEWAY
    if change.state != workflow.definition.roles.asking:
        return Exit.DONE
    if change.expect_attempt().phase is Phase.QUEUED:
        note("itsm-workflow: nothing was sent yet; `itsm-workflow reconcile` files the stored change")
        return Exit.GATEWAY
    note("itsm-workflow: it is not known yet whether there is a ticket; `itsm-workflow reconcile` finds out")
    return Exit.PARTLY


def _effect_of(change: ChangeRequest, wanted: str) -> PlannedEffect:
    """Return the effect with that id, or the newest with that name; a parked effect goes first."""
    named = [one for one in change.effects if wanted in {one.id, one.name}]
    parked = [one for one in named if one.status is EffectStatus.PARKED]
    if not named:
        known = ", ".join(f"{one.name} ({one.status.value})" for one in change.effects) or "none"
        raise click.UsageError(f"change {change.id} has no effect {wanted!r}; it has {known}")
    return (parked or named)[-1]
