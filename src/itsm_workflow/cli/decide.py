"""The commands that act. They need the gateway, and the effects that follow an approval."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import rich_click as click

from itsm_workflow.change import AttentionReason, EffectStatus, Phase
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.output import as_json, clean, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.show import json_option, print_change, resolved
from itsm_workflow.cli.troubles import troubles
from itsm_workflow.cli.values import field, filled
from itsm_workflow.integrations.log_platform import CollectorForm
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.evidence import Concern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.change import ChangeRequest, PlannedEffect
    from itsm_workflow.cli.troubles import Troubles
    from itsm_workflow.workflow import Workflow

    Given = Callable[[Callable[..., Any]], Callable[..., Any]]
    Ending = Callable[[Workflow, ChangeRequest, ChangeRequest, Troubles], Exit]

actor_option = click.option("--actor", required=True, help="The person who decides this; stays in the history.")
reason_option = click.option(
    "--reason",
    required=True,
    type=filled("explain the decision in a few words, which stay in the history"),
    metavar="TEXT",
    help="Why; stays in the history.",
)


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
        return _report_sent(workflow, change)


def _done(_workflow: Workflow, _before: ChangeRequest, _after: ChangeRequest, shown: Troubles) -> Exit:
    return Exit.GATEWAY if shown.gateway else Exit.DONE


def _resent(workflow: Workflow, _before: ChangeRequest, after: ChangeRequest, _shown: Troubles) -> Exit:
    return _report_sent(workflow, after)


def _settled(workflow: Workflow, before: ChangeRequest, after: ChangeRequest, shown: Troubles) -> Exit:
    tried = {one.id: one.attempts for one in before.effects}
    failed = [one for one in after.effects if one.error and one.attempts > tried.get(one.id, 0)]
    for one in failed:
        note(f"itsm-workflow: effect {one.name} failed: {clean(one.error)}")
    if failed:
        return Exit.FAILED
    is_filed = not workflow.definition.is_asking(before.state)
    return _done(workflow, before, after, shown) if is_filed else _report_sent(workflow, after)


def _raise_attention(workflow: Workflow, change_id: str, *, actor: str, reason: str) -> ChangeRequest:
    concern = Concern(reason=AttentionReason.HOST, facts={"reason": reason})
    return workflow.fire(change_id, Trigger.RAISE_ATTENTION, concern, actor=actor)


def _acting(
    method: str, text: str, *options: Given, ending: Ending = _done, act: Callable[..., ChangeRequest] | None = None
) -> click.Command:
    """Return the command that calls a method of the workflow for one change, and prints the change.

    Args:
        method: The method; its keyword arguments are named as the options are.
        text: The help of the command.
        options: The options besides those that every command has.
        ending: Returns the exit code, from the change before and after the call.
        act: Called in place of the method, with the workflow first, if the command is not named after a method.
    """

    def command(place: Place, name: str, *, in_json: bool, **given: object) -> Exit:
        with troubles() as shown, place.workflow() as workflow:
            before = resolved(workflow, name)
            call = functools.partial(act, workflow) if act else getattr(workflow, method)
            after = call(before.id, **{option: value for option, value in given.items() if value is not None})
            print_change(workflow, after, in_json=in_json)
            return ending(workflow, before, after, shown)

    wrapped: Callable[..., Exit] = placed(command)
    decorators: Sequence[Given] = (json_option, *reversed(options), click.argument("name", metavar="ID"))
    for decorator in decorators:
        wrapped = decorator(wrapped)
    return click.command(method.replace("_", "-"), help=text)(wrapped)


settle = _acting(
    "settle",
    "Bring one change to what the gateway says now, and deliver its effects that are due.",
    ending=_settled,
)
withdraw = _acting(
    "withdraw",
    "Ask the gateway to withdraw the ticket; the change ends when the gateway shows it withdrawn.",
    actor_option,
    reason_option,
)
accept_after_withdrawal = _acting(
    "accept_after_withdrawal",
    "Let a ticket that was withdrawn and then revived decide the change.",
    actor_option,
    reason_option,
)
resend = _acting(
    "resend",
    "Send the ticket again with the same key, after the look-ups found no ticket.",
    actor_option,
    reason_option,
    click.option(
        "--evidence",
        type=filled("say where you looked in the ticket system itself, and what you found, or leave it out"),
        metavar="TEXT",
        help="If the look-ups failed: where you looked in the ticket system itself, and what you found.",
    ),
    ending=_resent,
)
abandon = _acting(
    "abandon",
    "Give up a draft, a submission whose ticket was not found, or a change whose ticket asks no person.",
    actor_option,
    reason_option,
)
record_ticket = _acting(
    "record_ticket",
    "Bind a change to a ticket that a person found. A ticket that differs from what was sent needs --override.",
    click.option("--sn", required=True, help="The ticket's number."),
    click.option("--ticket-id", help="The ticket's id; needed if several tickets have that number."),
    click.option(
        "--override",
        metavar="TEXT",
        help="Why a ticket that differs from what was sent belongs to the change all the same.",
    ),
    actor_option,
)
attest_approval = _acting(
    "attest_approval",
    "Approve a change whose ticket was approved, if the gateway cannot show the approver.",
    click.option("--ticket-id", required=True, help="The ticket's id, as its page in the ticket system shows it."),
    click.option("--approver", required=True, help="The user who approved the ticket."),
    click.option("--evidence", required=True, help="What shows the approval, in words; stays in the history."),
    click.option("--actor", required=True, help="The person who attests it: neither the applicant nor the approver."),
)
raise_attention = _acting(
    "raise_attention",
    "Ask a person to look at the change; it does not stop the change.",
    actor_option,
    reason_option,
    act=_raise_attention,
)
clear_attention = _acting(
    "clear_attention",
    "Mark the change as reviewed, so that it no longer asks for a person.",
    actor_option,
    reason_option,
)


@click.command("retry-effect")
@click.argument("name", metavar="ID")
@click.argument("effect")
@actor_option
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


def _report_sent(workflow: Workflow, change: ChangeRequest) -> Exit:
    """Report the result of a send, and return the exit code for it."""
    if change.state == workflow.definition.initial:
        note("itsm-workflow: the gateway refused the ticket; the change is a draft again")
        return Exit.GATEWAY
    if change.outcome is None and workflow.definition.is_submitted_in(change.state):
        note("itsm-workflow: the gateway refused the ticket; the change can be submitted again")
        return Exit.GATEWAY
    if not workflow.definition.is_asking(change.state):
        return Exit.DONE
    if change.expect_attempt().phase is Phase.QUEUED:
        note("itsm-workflow: no ticket was made yet; `itsm-workflow reconcile` files the stored change")
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
