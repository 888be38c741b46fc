"""The reasons of the machine's refusals, and the rules of forms, in Chinese: by the English text that is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "submission number {number} is not higher than its own, {own}": "提交序号 {number} 不大于它现有的 {own}",
    "another worker is sending it, and its lease has not expired": "另一个进程正在提单，租约还没有到期",
    "another worker is sending it": "另一个进程正在提单",
    "the gateway refused the create request, but no look-up has checked whether a ticket exists": (
        "ITSM 拒绝了提单请求，但还没有查询单据是否存在"
    ),
    "the gateway refused the create request, but the ticket of an earlier send may still appear": (
        "ITSM 拒绝了提单请求，但更早的一次提单仍可能产生单据"
    ),
    "a ticket is known": "已有单据",
    "nothing was sent yet: the request is sent when the change is next due, or immediately by settle": (
        "还没有提单：下次查询时会提单，也可以用 settle 立即提单"
    ),
    "a ticket carries its key but differs from what was sent: abandon the change, or record that ticket": (
        "有单据带着它的关联键，但与提单内容不符：放弃变更（abandon），或登记该单据（record_ticket）"
    ),
    "the outcome of the attempt is not unknown": "提单结果不是未知",
    "a resend could create a second ticket: the look-ups have not shown yet that the first does not exist": (
        "重新提单可能产生第二张单据：查询还没有确认第一张不存在"
    ),
    "a resend could create a second ticket, since the gateway shows ticket {tickets} with its key: record that ticket, "
    "or abandon the change": (
        "重新提单可能产生第二张单据，因为 ITSM 里单据 {tickets} 带着它的关联键：登记该单据，或放弃变更"
    ),
    "{reason}; an operator who has checked the ticket system can resend with evidence of that": (
        "{reason}；在 ITSM 里核实过的人可以附上依据重新提单"
    ),
    "a ticket is known: withdraw it instead": "已有单据：请改为撤单（withdraw）",
    "it is being sent": "正在提单",
    "a ticket may still appear: wait until attention is raised, when the look-ups have ended": (
        "单据仍可能出现：查询结束后变更会自动转人工处理，届时再操作"
    ),
    "it is being sent: wait until its outcome is known": "正在提单：等结果明确后再操作",
    "{problem}; an operator can record it with override": "{problem}；人工确认后可以用 override 登记",
    "{problem}; the applicant {creator} cannot override that: another person must": (
        "{problem}；申请人 {creator} 不能自己确认，需要换人操作"
    ),
    "the ticket differs from what was sent: {differences}": "单据与提单内容不符：{differences}",
    "the ticket does not carry this change's key": "单据没有带着这个变更的关联键",
    "the ticket was created by {other}, not by {creator}": "单据的提单人是 {other}，不是 {creator}",
    "the change is bound to ticket {known}, not to {other}": "变更已登记单据 {known}，不是 {other}",
    "this change has no attempt {number}": "这个变更没有第 {number} 次提单",
    "the undelivered callback is not about our ticket": "未送达的回调不属于这张单据",
    "no ending is suspected": "单据没有疑似结束",
    "the ending is already suspected since {at}": "自 {at} 起已标记为疑似结束",
    "the ticket was {verdict}: a second look, {quiet} later, must confirm that": (
        "单据显示为 {verdict}：需要在 {quiet} 后复查确认"
    ),
    "the gateway decides it: a person may decide only with attention for one of {reasons}": (
        "结果由 ITSM 决定：只有因 {reasons} 之一转人工处理时，人才能决定"
    ),
    "ticket {attested} is attested, but the change is bound to {known}": (
        "证明的是单据 {attested}，但变更登记的是 {known}"
    ),
    "it needs the approver, and evidence of the approval in words": "需要写明审批人，并用文字说明审批的依据",
    "the applicant {applicant} cannot attest the approval: another person must": (
        "申请人 {applicant} 不能证明审批通过，需要换人操作"
    ),
    "{actor} cannot attest an approval by {approver}: another person must": (
        "{actor} 不能证明 {approver} 的审批，需要换人操作"
    ),
    "an approval by the applicant {applicant} does not count in this workflow": (
        "在这个工作流里，申请人 {applicant} 自己的审批无效"
    ),
    "the change has ended as {outcome}": "变更已经以 {outcome} 结束",
    "it is the ticket that the change is bound to": "它就是变更登记的单据",
    "no attention is raised": "没有待人工处理的标记",
    "the applicant {applicant} approved the ticket alone and cannot clear this: another person must look": (
        "只有申请人 {applicant} 自己审批通过，不能由本人标记为已处理，需要换人查看"
    ),
    "this change has no effect {effect}": "这个变更没有后置动作 {effect}",
    "effect {effect} is being delivered until {at}": "后置动作 {effect} 正在执行，租约到 {at}",
    "effect {effect} is {status}": "后置动作 {effect} 的状态是 {status}",
    "effect {effect} was started {times} without a result: it must be parked": (
        "后置动作 {effect} 已开始 {times} 但没有结果：应停止重试"
    ),
    "the next delivery of effect {effect} is number {next}, not {number}": (
        "后置动作 {effect} 下一次执行是第 {next} 次，不是第 {number} 次"
    ),
    "the delivery failed: {error}": "执行失败：{error}",
    "the delivery succeeded: the result has no error": "执行成功：结果没有错误",
    "delivery {number} of effect {effect} is already counted": "后置动作 {effect} 的第 {number} 次执行已经记录",
    "effect {effect} is not the library's own withdrawal": "后置动作 {effect} 不是库自带的撤单",
    "effect {effect} is already delivered": "后置动作 {effect} 已经执行成功",
    "delivery {number} of effect {effect} was not started": "后置动作 {effect} 的第 {number} 次执行没有开始",
    "the snapshot shows ticket {other}, but the change is bound to {known}": (
        "看到的是单据 {other}，但变更登记的是 {known}"
    ),
    "the gateway's answers are in doubt ({doubt}): {detail}": "ITSM 的应答有疑问（{doubt}）：{detail}",
    "the ticket is {verdict}, not {wanted}": "单据的结果是 {verdict}，不是 {wanted}",
    "it is about attempt {number}, but the change is at attempt {own}": (
        "它属于第 {number} 次提单，但变更已是第 {own} 次"
    ),
    "the attempt is {phase}, not {wanted}": "提单处于 {phase}，不是 {wanted}",
    # Withdrawals
    "a withdrawal is being delivered: wait for its result": "正在撤单：等结果明确后再操作",
    "the ticket was withdrawn ({at}): accept_after_withdrawal accepts it despite the withdrawal": (
        "单据已撤单（{at}）：如仍以单据结果为准，用 accept_after_withdrawal"
    ),
    "no delivered withdrawal is unresolved": "没有结果待定的撤单",
    "a reason is required, because the ticket was withdrawn on request": "单据是应要求撤单的，需要写明原因",
    # The engine, and people who fire a trigger
    "workflow {workflow} has no such state": "工作流 {workflow} 没有这个状态",
    "the workflow has no such trigger; its triggers are {triggers}": "工作流没有这个动作；它的动作有 {triggers}",
    "it needs {wanted} as evidence, not {given}": "需要 {wanted} 作为依据，不能是 {given}",
    "its evidence does not match {wanted}: {detail}": "依据不符合 {wanted}：{detail}",
    "the table has no transition for it from {state}": "状态 {state} 下没有这个动作",
    "this trigger is reserved for the library; call Workflow.{method} instead": (
        "这个动作由库自己使用；请改为调用 Workflow.{method}"
    ),
    "this trigger is reserved for the library, which fires it itself; call Workflow.settle instead": (
        "这个动作由库自己触发；请改为调用 Workflow.settle"
    ),
    "the reason {given} is reserved for the library; use AttentionReason.HOST, with facts that say why": (
        "原因 {given} 由库自己使用；请用 AttentionReason.HOST，并在事实里说明原因"
    ),
    "the ticket belongs to {holder}: correct the subject, or leave the row out": (
        "单据属于 {holder}：请改正主题，或去掉这一行"
    ),
    "the ticket has ended ({word}): let the handler that filed it store the result, and leave the row out": (
        "单据已结束（{word}）：由原来提单的程序保存结果，请去掉这一行"
    ),
    "{creator} filed the ticket: another person must adopt it": "单据由 {creator} 提交：需要换人接管",
    "the gateway shows {count} tickets with {wanted}; ids with that number: {ids}": (
        "ITSM 里符合 {wanted} 的单据有 {count} 张；这个单号的单据 ID：{ids}"
    ),
    "the gateway shows {count} tickets with number {sn}; ids with that number: none": (
        "ITSM 里单号为 {sn} 的单据有 {count} 张"
    ),
    "the gateway shows {count} tickets with number {sn}; ids with that number: {ids}": (
        "ITSM 里单号为 {sn} 的单据有 {count} 张；这个单号的单据 ID：{ids}"
    ),
    "the gateway shows {count} tickets with number {sn} and id {ticket_id}; ids with that number: none": (
        "ITSM 里单号为 {sn}、ID 为 {ticket_id} 的单据有 {count} 张"
    ),
    "the gateway shows {count} tickets with number {sn} and id {ticket_id}; ids with that number: {ids}": (
        "ITSM 里单号为 {sn}、ID 为 {ticket_id} 的单据有 {count} 张；这个单号的单据 ID：{ids}"
    ),
}
"""By reason of a refusal in English, with its values in braces, the reason in Chinese."""

RULES: Mapping[str, str] = {
    "is missing ({label})": "缺少（{label}）",
    "must be a whole number, not {kind}": "必须是整数，不能是 {kind}",
    "must be from {least} to {most}": "必须在 {least} 到 {most} 之间",
    "must be a number, not {kind}": "必须是数字，不能是 {kind}",
    "must be above 0, at most {most}": "必须大于 0，且不超过 {most}",
    "must be at most log_keep_days, which is {days}": "不能大于 log_keep_days（{days}）",
    'must be a day written as YYYY-MM-DD, e.g. "2026-12-01", not {kind}': "必须写成 YYYY-MM-DD 的日期，不能是 {kind}",
    'must be a day written as YYYY-MM-DD, e.g. "2026-12-01"': "必须写成 YYYY-MM-DD 的日期，例如 2026-12-01",
    "must be a datetime.date, not {kind}": "必须是 datetime.date，不能是 {kind}",
    'must be a list of paths, e.g. ["/data/nginx/*.log"]': '必须是路径的列表，例如 ["/data/nginx/*.log"]',
    'must be a list of user names, e.g. ["bob"]': '必须是用户名的列表，例如 ["bob"]',
    "must be a day that exists in the calendar": "必须是日历里存在的日期",
    "must be text, not {kind}": "必须是文字，不能是 {kind}",
    "must not be empty: none of its characters is visible": "不能为空：其中没有可见的字符",
    "must not be empty": "不能为空",
    "must not contain control characters": "不能含有控制字符",
    "must be one line": "必须写在一行里",
    "must not begin or end with white space": "开头和结尾不能有空白",
    "must be one line, without control and direction characters, but contains {found}": (
        "必须写在一行里，不能有控制字符和方向字符，但含有 {found}"
    ),
    "must not contain invisible characters, but contains {found}": "不能含有不可见的字符，但含有 {found}",
    "must have at most {most} characters in Unicode normalization form NFC": "按 NFC 计最多 {most} 个字符",
    "must have at most {most} characters as JSON": "写成 JSON 最多 {most} 个字符",
    "must have at most {most} characters: {over} too many": "最多 {most} 个字符，多了 {over} 个",
    "must have at most {most} characters": "最多 {most} 个字符",
    "must have at most {most} fields": "最多 {most} 个字段",
    "must be at most {most} characters long": "最多 {most} 个字符",
    "must be one of {choices}": "必须是其中之一：{choices}",
    "must be some of {choices}, joined by commas": "必须是其中若干项，用逗号连接：{choices}",
    "must be text, with commas between several values": "必须是文字，多个值之间用逗号",
    "must not be empty: the service requires it": "不能为空：流程服务要求填写",
    "must be given: the service {service} requires it ({label})": "必须填写：流程服务 {service} 要求填写（{label}）",
    "must name at least one approver, since the built-in service does not define any": (
        "至少写一个审批人，因为内置的流程服务没有指定审批人"
    ),
    "must be empty: the service defines its own approvers unless fast_approval or approver_field is set": (
        "必须为空：除非设置了 fast_approval 或 approver_field，审批人由流程服务指定"
    ),
    "must be empty, since the service has no field for it": "必须为空，因为流程服务没有对应的字段",
    "must be named once": "只能写一次",
    "must be one user name, without blanks, commas or semicolons": "必须是一个用户名，不能有空格、逗号和分号",
    "must have keys of letters, digits and _ . -, at most 64 characters long": (
        "键只能用字母、数字和 _ . -，最多 64 个字符"
    ),
    "must not be given here: it is filled from the form's own parts": "不能写在这里：它由表单自己的部分填写",
    "must be a JSON value, without NaN, at most 16 levels deep": "必须是 JSON 值，不能有 NaN，最多嵌套 16 层",
    "must have each key once": "每个键只能出现一次",
    "must name at most {most} users": "最多写 {most} 个用户",
    "must be a mapping of form keys to values": "必须是键到值的映射",
    "must be an object with the fields {fields}, not {kind}": "必须是含有字段 {fields} 的对象，不能是 {kind}",
    "is not a field; the fields are {fields}": "不是已知的字段；字段有 {fields}",
    "must not contain NUL characters or lone surrogates, which cannot be stored: remove {found}": (
        "不能含有无法保存的 NUL 字符或孤立代理项：请删除 {found}"
    ),
    "must not contain 4-byte characters such as emoji, which the gateway's database cannot store: remove {found}": (
        "不能含有表情等 4 字节字符，ITSM 的数据库无法保存：请删除 {found}"
    ),
}
"""By rule of a form in English, with its values in braces, the rule in Chinese."""
