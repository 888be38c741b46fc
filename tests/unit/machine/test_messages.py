"""The messages of errors, the reasons of refusals and the rules of forms in Chinese."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import errors
from itsm_workflow import form as form_module
from itsm_workflow.gateway.bk_itsm import form as gateway_form
from itsm_workflow.gateway.bk_itsm import service_form
from itsm_workflow.integrations.log_platform import form as collector_form
from itsm_workflow.machine import engine, guards, withdrawal
from itsm_workflow.machine.approval import LABELS, State
from itsm_workflow.machine.messages import ERRORS, message_of, phrasebook, rule_of
from itsm_workflow.machine.refusals import REASONS, RULES
from itsm_workflow.runtime import decisions, filing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def texts(node: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression can give, with a letter for each value."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)
        case ast.IfExp(body=body, orelse=other):
            yield from [*texts(body), *texts(other)]


def reasons(module: ModuleType) -> set[str]:
    """Return the sentences that the guards of a module return, or that are given to a refusal as its reason."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Return) and node.value is not None:
            found |= set(texts(node.value))
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"reason", "problem"}:
            found |= set(texts(node.value))
    return {text for text in found if " " in text and not text.startswith("X; X")}


def rules(module: ModuleType) -> set[str]:
    """Return the rules of forms that a module states: the beginnings of problems, after the field and the value."""
    tree = ast.parse(inspect.getsource(module))
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    whole = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in parts]
    found = {text for node in whole for text in texts(node)}
    return {text for text in found if re.match(r"must |is missing|is not a field", text)}


@pytest.mark.parametrize("module", [guards, withdrawal, engine, decisions, filing])
def test_every_reason_of_a_refusal_has_a_chinese_one(module: ModuleType) -> None:
    """It is found by its pattern, so a reworded reason is noticed here."""
    known = phrasebook()
    said = {text for text in reasons(module) if text not in {"at an unknown time", "X UTC"}}
    assert said
    assert [text for text in sorted(said) if known.find(text) is None] == []


@pytest.mark.parametrize("module", [form_module, collector_form, gateway_form, service_form])
def test_every_rule_of_a_form_has_a_chinese_one(module: ModuleType) -> None:
    """Also those that are put together."""
    said = {text for text in rules(module) if text != "must be one line, without control and direction characters"}
    assert said
    known = phrasebook()
    missing = [text for text in sorted(said) if known.find(text) is None]
    assert [text for text in missing if known.find(f"{text}, but contains X") is None] == []


def test_every_chinese_text_has_the_values_of_the_english_one() -> None:
    """No value is lost; one that only counts may be left out of neither."""
    value = re.compile(r"\{(\w+)\}")
    tables = {**ERRORS, **REASONS, **RULES}
    lost = {"searched"}
    assert [one for one, zh in tables.items() if {*value.findall(one)} - lost != {*value.findall(zh)}] == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            errors.TransitionRefused(
                state="pending",
                trigger="resend",
                reason="a ticket is known",
                operation="resend",
                allowed=("withdraw", "settle"),
            ),
            "resend 被拒绝，当前状态：审批中（pending）；原因：已有单据；现在可以执行：withdraw、settle",
        ),
        (
            errors.TransitionRefused(
                state="pending",
                trigger="record_ticket",
                reason="the ticket was created by 'eve', not by 'alice'; the applicant alice cannot override that: "
                "another person must and no attention is raised",
            ),
            (
                "record_ticket 被拒绝，当前状态：审批中（pending）；原因：单据的提单人是 'eve'，不是 'alice'；"
                "申请人 alice 不能自己确认，需要换人操作；并且没有待人工处理的标记"
            ),
        ),
        (
            errors.TransitionRefused(state="live", trigger="go", reason="the lights are red"),
            "go 被拒绝，当前状态：live；原因：the lights are red",
        ),
        (
            errors.NotPermitted(actor="eve", act="withdraw", subject="s", change_id="C1"),
            "'eve' 没有权限对主题 's' 的变更 C1 执行 withdraw：请换有权限的人；没有保存，也没有发送",
        ),
        (
            errors.AlreadyApplied(subject="s", change_id="C1"),
            "主题 's' 已有未结束的变更 C1：等它结束，或先撤单",
        ),
        (errors.ChangeNotFound(name="x"), "没有找到变更 'x'；`itsm-workflow list` 列出所有变更"),
        (
            errors.NotApproved(subject="s", state=None, why="no change was ever submitted for it"),
            "主题 's' 没有通过审批：没有提交过变更",
        ),
        (
            errors.InvalidForm([("title", "''", "must not be empty"), ("note", "'x'", "is too bold")]),
            "参数被拒绝，没有保存，也没有发送：title=''：不能为空；note='x'：is too bold",
        ),
        (errors.StorageUnavailable("the disk is full"), "the disk is full"),
    ],
)
def test_an_error_is_shown_in_chinese(error: Exception, said: str) -> None:
    """A text of a host or of the ticket system stays as it is, and the exception itself stays in English."""
    assert message_of(error, "zh") == said
    assert message_of(error, "en").replace('the state "Waiting for approval"', "state pending") == str(error)


def test_a_rule_is_shown_in_chinese() -> None:
    """A host's own rule stays as it is."""
    assert rule_of("must have at most 120 characters", "zh") == "最多 120 个字符"
    assert rule_of("must have at most 120 characters", "en") == "must have at most 120 characters"
    assert rule_of("must be blue", "zh") == "must be blue"


@pytest.mark.parametrize("state", State)
def test_a_refusal_names_the_state_by_its_label(state: State) -> None:
    """For people. The error itself keeps the identifier, for programs and for the log."""
    error = errors.TransitionRefused(
        state=state.value, trigger="abandon", reason="was refused in state pending: x", allowed=("withdraw",)
    )
    label = "Callback not delivered" if state is State.FAILED_CALLBACK else LABELS[state]["en"]
    assert message_of(error, "en") == (
        f'abandon was refused in the state "{label}": was refused in state pending: x; allowed now: withdraw'
    )
    missing = errors.TransitionRefused(
        state=state.value, trigger="abandon", reason=f"the table has no transition for it from {state.value}"
    )
    assert message_of(missing, "en").endswith(f': the table has no transition for it from "{label}"')
    assert str(error).startswith(f"abandon was refused in state {state.value}: ")


def test_a_refusal_in_a_state_of_a_host_keeps_its_name() -> None:
    """Only the definition has its label."""
    error = errors.TransitionRefused(state="going_live", trigger="pause", reason="not now")
    assert message_of(error, "en") == str(error)
