"""The page of the errors and the names in Chinese says what the code says."""

from __future__ import annotations

from itsm_workflow import errors
from itsm_workflow.cli.exits import Exit, exit_of
from itsm_workflow.errors import InvalidForm, ItsmWorkflowError
from itsm_workflow.gateway.bk_itsm.page import LABELS
from itsm_workflow.gateway.bk_itsm.reader import status_of
from itsm_workflow.integrations.log_platform import answers
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State
from itsm_workflow.machine.evidence import ENDED
from itsm_workflow.machine.labels import OUTCOMES, labels_of
from tests.documents.test_chinese_tables import page, rows
from tests.support import examples as x


def declared() -> list[type[ItsmWorkflowError]]:
    """Return every error of the library."""
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, ItsmWorkflowError)]


def test_every_error_has_one_row_with_its_code_its_number_and_the_exit_code() -> None:
    """In the order of the code, so that an error stands below its base."""
    written = [row[:4] for row in rows(page("errors"), "错误") if len(row) == 6]
    assert written == [
        [f"`{one.__name__}`", f"`{one.code}`", str(one.platform_code or ""), str(exit_of(one.__new__(one)).value)]
        for one in declared()
    ]


def test_the_answers_of_the_routes_are_those_of_the_code() -> None:
    """The status of HTTP and the code in the envelope."""
    written = {row[0].strip("`"): (row[1], row[2][:3]) for row in rows(page("errors"), "错误") if len(row) == 3}
    assert written
    assert set(written) == {kind.__name__ for kind in answers._STATUS}
    for name, shown in written.items():
        kind = getattr(errors, name)
        error = InvalidForm([]) if kind is InvalidForm else kind.__new__(kind)
        answer = answers.of_error(error)
        assert shown == (str(answer.status), str(answer.body["code"])), name


def test_every_exit_code_has_its_row() -> None:
    """In Chinese, too."""
    assert [int(row[0]) for row in rows(page("errors"), "退出码")] == [code.value for code in Exit]


def test_every_state_outcome_and_status_of_a_ticket_has_its_name() -> None:
    """As `Workflow.status` and the pages show it."""
    text = page("errors")
    assert {row[0].strip("`"): row[1] for row in rows(text, "结局")} == {
        name: one["zh"] for name, one in OUTCOMES.items()
    }
    assert {row[0].strip("`"): row[1] for row in rows(text, "ITSM 的单据状态")} == {
        word: one["zh"] for word, one in LABELS.items()
    }
    ended = {row[0].strip("`") for row in rows(text, "ITSM 的单据状态") if row[2].startswith("是")}
    assert ended == {word for word in LABELS if status_of(word) in ENDED}
    states = {row[0].strip("`"): row for row in rows(text, "状态")}
    assert list(states) == [state.value for state in State]
    for change in (x.DRAFT, x.QUEUED, x.UNKNOWN, x.PENDING, x.FAILED_CALLBACK, x.APPROVED, x.WITHDRAWN):
        _, applicants, operators = states[change.state]
        assert labels_of(COLLECTOR_CHANGE, change)["zh"] in applicants
        wanted = labels_of(COLLECTOR_CHANGE, change, for_operators=True)["zh"]
        assert wanted in (applicants if operators == "同左" else operators)
