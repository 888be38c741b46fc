"""The tools that find each broken definition of the tests, and the table of them on the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support import exits, impure, meanings, tries, two_approvals
from tests.support import workflows as zoo
from tests.testing.lint_page import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow import WorkflowDefinition

BUILT, LINT, EXPLORE, SIMULATE, WALK = "when built", "lint", "explore", "simulate", "WorkflowMachine"
COLUMNS = (BUILT, LINT, EXPLORE, SIMULATE, WALK)

FOUND: Mapping[Callable[[], WorkflowDefinition], tuple[str, ...]] = {
    zoo.with_an_unreachable_state: (BUILT,),
    zoo.with_a_dead_end: (BUILT,),
    zoo.with_a_way_out_of_an_end: (BUILT,),
    zoo.without_a_due_rule: (BUILT,),
    zoo.with_two_rows_that_always_hold: (BUILT,),
    zoo.with_evidence_that_is_no_attrs_class: (BUILT,),
    zoo.with_a_grant_without_an_approval: (BUILT,),
    zoo.with_a_host_that_approves: (BUILT,),
    zoo.with_a_part_that_grants: (BUILT,),
    zoo.with_nothing_that_grants: (BUILT,),
    zoo.with_a_grant_in_words: (BUILT,),
    zoo.with_what_is_granted_also_refused: (BUILT,),
    zoo.with_an_effect_in_two_states: (BUILT,),
    zoo.with_a_state_of_which_nothing_is_said: (LINT,),
    zoo.with_a_trap: (LINT,),
    zoo.with_guards_that_overlap: (LINT,),
    zoo.without_suspicion: (LINT,),
    zoo.with_an_approval_that_leads_elsewhere: (LINT,),
    zoo.with_one_state_in_two_parts: (LINT,),
    zoo.with_a_host_that_grants_again: (LINT, WALK),
    zoo.with_a_guard_that_answers_yes_or_no: (LINT, WALK),
    zoo.with_a_guard_that_raises: (LINT, EXPLORE, SIMULATE, WALK),
    zoo.with_a_guard_that_counts: (LINT,),
    zoo.with_a_guard_that_counts_to_three: (LINT,),
    zoo.with_a_guard_that_never_holds: (LINT,),
    zoo.with_an_update_that_sets_the_state: (LINT, EXPLORE, SIMULATE, WALK),
    zoo.with_an_update_that_returns_nothing: (LINT, EXPLORE, SIMULATE, WALK),
    zoo.with_an_update_that_cannot_be_stored: (LINT, EXPLORE, SIMULATE, WALK),
    zoo.with_evidence_that_cannot_be_made_up: (LINT, WALK),
    zoo.with_a_waiting_state_that_never_falls_due: (LINT, EXPLORE),
    zoo.with_a_waiting_state_that_is_always_due: (LINT,),
    zoo.with_a_due_time_without_a_zone: (LINT, SIMULATE),
    zoo.with_a_due_rule_that_goes_by_another_clock: (LINT,),
    exits.with_a_guard_that_exits: (LINT, EXPLORE, SIMULATE, WALK),
    exits.with_an_update_that_exits: (LINT, EXPLORE, SIMULATE, WALK),
    exits.with_a_due_rule_that_exits: (LINT, SIMULATE),
    impure.with_a_guard_that_keeps_the_largest: (LINT,),
    impure.with_a_guard_that_remembers: (LINT,),
    impure.with_a_guard_that_fails_on_the_31st: (LINT,),
    impure.with_a_guard_that_reads_the_clock: (LINT,),
    impure.with_an_update_that_fails_on_29_february: (LINT,),
    impure.with_a_due_rule_that_fails_on_31_december: (LINT,),
    meanings.that_believes_every_ticket: (LINT, EXPLORE),
    meanings.that_does_too_much: (LINT, EXPLORE, SIMULATE, WALK),
    meanings.that_forgets_the_host: (LINT,),
    meanings.that_orders_again: (LINT, EXPLORE, WALK),
    meanings.that_orders_before_the_approval: (LINT,),
    meanings.that_counts_failed_work: (LINT,),
    two_approvals.that_orders_where_the_next_approval_begins: (LINT,),
    two_approvals.that_counts_in_a_state_without_an_exit: (LINT,),
    two_approvals.that_deploys_in_an_emergency: (LINT,),
    two_approvals.that_orders_what_was_refused: (LINT,),
    two_approvals.that_executes_the_plan: (LINT,),
    meanings.that_is_wrong_for_certain_evidence: (LINT,),
    meanings.that_adds_a_key_for_each_report: (LINT,),
    meanings.that_fails_late_while_it_counts: (LINT,),
    tries.that_uses_up_its_tries: (LINT,),
}
"""By function that makes a broken definition, the tools that find the defect."""

IMPURE = (
    zoo.with_a_guard_that_counts,
    zoo.with_a_guard_that_counts_to_three,
    impure.with_a_guard_that_keeps_the_largest,
    impure.with_a_guard_that_remembers,
)
"""Their guards count or remember all calls of the process, so it depends on these whether a walk finds them."""

_ROWS = re.compile(r"(\| the defect \|.*\n\|[- |]*\n)((?:\|.*\n)*)")


def table() -> str:
    """Return the rows of the page."""
    rows = []
    for build, tools in FOUND.items():
        sentence = (build.__doc__ or "").splitlines()[0].rstrip(".")
        cells = ("found" if one in tools else "" for one in COLUMNS)
        rows.append(f"| {sentence} | {' | '.join(cells)} |\n")
    return "".join(rows)


def renewed(page: str) -> str:
    """Return the page with the rows of now."""
    return _ROWS.sub(lambda found: found[1] + table(), page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
