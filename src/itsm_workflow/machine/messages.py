"""The message of an error in the reader's language. The text of the exception itself, and its code, stay in English."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from itsm_workflow.errors import InvalidForm, TransitionRefused
from itsm_workflow.machine.approval import LABELS, State
from itsm_workflow.machine.labels import UNDELIVERED
from itsm_workflow.machine.phrases import Phrasebook
from itsm_workflow.machine.refusals import REASONS, RULES
from itsm_workflow.text import short_line

if TYPE_CHECKING:
    from collections.abc import Mapping

ERRORS: Mapping[str, str] = {
    "subject {subject} already has an open change, {change_id}: wait until it ends, or withdraw it first": (
        "主题 {subject} 已有未结束的变更 {change_id}：等它结束，或先撤单"
    ),
    "{actor} may not {act} on change {change_id} of subject {subject}: ask a person who may; nothing was stored or "
    "sent": ("{actor} 没有权限对主题 {subject} 的变更 {change_id} 执行 {act}：请换有权限的人；没有保存，也没有发送"),
    "{actor} may not {act} on subject {subject}: ask a person who may; nothing was stored or sent": (
        "{actor} 没有权限对主题 {subject} 执行 {act}：请换有权限的人；没有保存，也没有发送"
    ),
    "subject {subject} is not approved: {why}": "主题 {subject} 没有通过审批：{why}",
    "no change was ever submitted for it": "没有提交过变更",
    "no change has the {searched} {name}; {advice}": "没有找到变更 {name}；{advice}",
    "`itsm-workflow list` lists all changes": "`itsm-workflow list` 列出所有变更",
    "a change of workflow {workflow} has it: name the application of that workflow (--app)": (
        "工作流 {workflow} 有这个变更：用 --app 写明该工作流的应用"
    ),
    "Workflow.resolve finds a change by its id, subject or sn": "Workflow.resolve 可以按 ID、主题或单号查找",
    "{name} names {count} changes, give the id of one: {ids}": "{name} 对应 {count} 个变更，请写其中一个的 ID：{ids}",
    "change {change_id} was not written: it lost a race on its {kind}; reload it and try again": (
        "变更 {change_id} 没有写入：{kind} 冲突，另一方先写入；重新读取后再试"
    ),
    "change {change_id} was not written: its {kind} belongs to change {holder}": (
        "变更 {change_id} 没有写入：它的 {kind} 属于变更 {holder}"
    ),
    "{sn} is the ticket of {subject} (change {holder}); {own} (change {change_id}) was not written": (
        "{sn} 是 {subject}（变更 {holder}）的单据；{own}（变更 {change_id}）没有写入"
    ),
    "there is no store at {path}; name it with an option or with {variable}": (
        "{path} 没有存储；用选项或环境变量 {variable} 写明存储地址"
    ),
}
"""By message of an error in English, with its values in braces, the message in Chinese."""


@functools.cache
def phrasebook() -> Phrasebook:
    """Return the Chinese texts of errors, reasons and rules."""
    return Phrasebook(ERRORS, REASONS, RULES)


def message_of(error: BaseException, language: str) -> str:
    """Return the message of an error for people.

    A text without a Chinese one, such as that of a host or of the ticket system, is returned as it is.

    Args:
        error: The error.
        language: The language, ``en`` or ``zh``.
    """
    if isinstance(error, TransitionRefused):
        return _refusal(error) if language == "zh" else _in_words(error)
    if language == "en":
        return str(error)
    if isinstance(error, InvalidForm):
        return "参数被拒绝，没有保存，也没有发送：" + "；".join(
            f"{field}={value}：{rule_of(rule, language)}" for field, value, rule in error.problems
        )
    return phrasebook().in_chinese(str(error))


def rule_of(rule: str, language: str) -> str:
    """Return a rule of a form that a value breaks, for people."""
    return rule if language == "en" else phrasebook().in_chinese(rule)


def _in_words(error: TransitionRefused) -> str:
    """Return a refusal in English, with the label of a state that the library ships in place of its identifier."""
    label = UNDELIVERED["en"] if error.state == State.FAILED_CALLBACK else _shipped(error.state, "en")
    said = str(error)
    if not label:
        return said
    said = said.replace(f" was refused in state {error.state}: ", f' was refused in the state "{label}": ', 1)
    return said.replace(f"has no transition for it from {error.state}", f'has no transition for it from "{label}"', 1)


def _shipped(state: str, language: str) -> str:
    return next((label[language] for known, label in LABELS.items() if state == known), "")


def _refusal(error: TransitionRefused) -> str:
    label = _shipped(error.state, "zh")
    state = f"{label}（{error.state}）" if label else error.state
    said = f"{short_line(error.operation)} 被拒绝，当前状态：{state}；原因：{phrasebook().in_chinese(error.reason)}"
    return f"{said}；现在可以执行：{'、'.join(error.allowed)}" if error.allowed else said
