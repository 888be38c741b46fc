"""The words of the pages themselves, in Chinese and English; a change is shown by the library's own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.machine.sentences import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.machine.labels import Label

__all__ = ["LANGUAGES", "WORDS", "words_in"]

WORDS: Mapping[str, Label] = {
    # The frame
    "console": {"zh": "变更审批控制台", "en": "Change requests"},
    "skip": {"zh": "跳到正文", "en": "Skip to the content"},
    "pages": {"zh": "页面", "en": "Pages"},
    "changes": {"zh": "变更", "en": "Changes"},
    "other_language": {"zh": "English", "en": "中文"},
    "read_at": {"zh": "读取时间 {at}，工作流 {workflow}", "en": "Read at {at}. Workflow {workflow}."},
    "ago": {"zh": "{age}前", "en": "{age} ago"},
    "ahead": {"zh": "{age}后", "en": "in {age}"},
    # The overview
    "overview": {"zh": "总览", "en": "Overview"},
    "needs": {"zh": "待人工处理", "en": "What needs a person"},
    "needs_nothing": {"zh": "没有需要人工处理的变更。", "en": "No change needs a person."},
    "all_of_reason": {"zh": "全部 {count} 个", "en": "all {count}"},
    "open": {"zh": "进行中的变更", "en": "Open changes"},
    "number": {"zh": "数量", "en": "Changes"},
    "quiet_hour": {"zh": "1 小时以上没有变化", "en": "Unchanged for an hour or more"},
    "quiet_day": {"zh": "1 天以上没有变化", "en": "Unchanged for a day or more"},
    "bounded": {
        "zh": "带“+”的数量只计到上限，时间分布只统计最早创建的这些变更。",
        "en": "A number with a + is counted up to its limit; the ages are those of the first ones drafted.",
    },
    "ended_changes": {"zh": "已结束的变更：", "en": "Changes that have ended: "},
    "health": {"zh": "运行情况", "en": "Health"},
    "due": {"zh": "对账", "en": "Looks"},
    "no_due": {"zh": "没有待查询的变更。", "en": "No change waits for a look."},
    "due_later": {"zh": "没有到期的查询，最近一次在 {age}。", "en": "No look is due; the first one is {age}."},
    "due_soon": {"zh": "到期最久的查询：{age}。", "en": "The look that is due longest was due {age}."},
    "due_late": {
        "zh": "到期最久的查询：{age}。请检查对账进程（reconcile）是否在运行。",
        "en": "The look that is due longest was due {age}: check that a process runs reconcile.",
    },
    "parked": {"zh": "后置动作停止重试的变更", "en": "Changes with a parked effect"},
    "looked_at": {
        "zh": "已查看 {count} 个变更，都不符合条件；下一页继续查看。",
        "en": "None of the {count} changes looked at matches; the next page goes on.",
    },
    # Passes
    "reconcile": {"zh": "对账", "en": "Reconcile"},
    "pass_waiting": {"zh": "到期的变更", "en": "What is due"},
    "due_now": {"zh": "现在到期的变更：{count} 个。", "en": "Changes that are due now: {count}."},
    "run_pass": {"zh": "执行一轮对账", "en": "Run a pass"},
    "pass_bounds": {
        "zh": "一轮最多处理 {limit} 个变更，{seconds} 秒后不再处理新的变更。"
        "会查询 ITSM、提交未发送的单据并执行到期的后置动作。",
        "en": "A pass looks at {limit} changes at most, and begins nothing more after {seconds} seconds. It asks the "
        "ticket system, sends what is not sent yet, and delivers effects that are due.",
    },
    "pass_elsewhere": {
        "zh": "本控制台不执行对账。对账由业务系统的进程或 itsm-workflow reconcile 执行。",
        "en": "This console runs no pass. A process of the host does, or itsm-workflow reconcile.",
    },
    "pass_running": {
        "zh": "本进程正在执行一轮对账，请稍后查看。",
        "en": "A pass of this process is running: look again soon.",
    },
    "last_pass": {"zh": "本进程最近一轮", "en": "The last pass of this process"},
    "no_pass": {
        "zh": "本进程没有通过本页面执行过对账。",
        "en": "No pass was run from this page since the process began.",
    },
    "pass_unfinished": {
        "zh": "本轮提前结束，没有处理完所有到期的变更，可以再执行一轮。",
        "en": "It ended before it had looked at every change that was due: run another one.",
    },
    "pass_due": {"zh": "已处理", "en": "Looked at"},
    "pass_moved": {"zh": "有新记录", "en": "With new entries"},
    "pass_unchanged": {"zh": "没有变化", "en": "Without news"},
    "pass_busy": {"zh": "被其他进程先处理", "en": "Moved first by another process"},
    "pass_failed": {"zh": "失败，之后重试", "en": "Failed, due again later"},
    "pass_unreadable": {"zh": "无法读取", "en": "Not readable"},
    "pass_undelivered": {"zh": "回调未送达", "en": "Callbacks not delivered"},
    "pass_seconds": {"zh": "用时", "en": "Duration"},
    "seconds": {"zh": "{seconds} 秒", "en": "{seconds} s"},
    # The list
    "search": {"zh": "单号、主题、变更 ID、标题或申请人", "en": "Ticket number, subject, id, title or applicant"},
    "in_words": {
        "zh": "没有同名的单号、主题或 ID，以下变更的主题、标题或申请人含有这些词；每页最多查看 2,000 个变更。",
        "en": "No number, subject or id is the same. These have the words in subject, title or applicant; a page looks "
        "at 2,000 changes at most.",
    },
    "find": {"zh": "查找", "en": "Find"},
    "state": {"zh": "状态", "en": "State"},
    "attention": {"zh": "待人工处理的原因", "en": "Needs a person"},
    "age": {"zh": "多久没有变化", "en": "Unchanged for"},
    "all": {"zh": "全部", "en": "all"},
    "any_reason": {"zh": "任何原因", "en": "any reason"},
    "1h": {"zh": "至少 1 小时", "en": "at least 1 hour"},
    "1d": {"zh": "至少 1 天", "en": "at least 1 day"},
    "7d": {"zh": "至少 7 天", "en": "at least 7 days"},
    "30d": {"zh": "至少 30 天", "en": "at least 30 days"},
    "clear": {"zh": "清除筛选条件", "en": "Clear the filters"},
    "subject": {"zh": "主题", "en": "Subject"},
    "title": {"zh": "标题", "en": "Title"},
    "since": {"zh": "最近变化", "en": "Last entry"},
    "approvers": {"zh": "审批人", "en": "Approvers"},
    "ticket": {"zh": "单据", "en": "Ticket"},
    "nothing": {"zh": "没有符合条件的变更。", "en": "No change matches."},
    "next": {"zh": "下一页", "en": "Next page"},
    "first": {"zh": "第一页", "en": "First page"},
    "unreadable": {"zh": "无法读取该变更：{error}", "en": "This change cannot be read: {error}"},
    # One change
    "now": {"zh": "当前情况", "en": "What is the case"},
    "possible": {"zh": "现在可以做什么", "en": "What can be done now"},
    "read_only": {
        "zh": "本控制台只读。请在命令行中操作，环境中要有业务系统的配置（BKAPP_ITSM_…）。"
        "加上 --app module:name 指明业务系统的工作流；审批通过后没有后置动作时，加上 --app none 和本控制台的 --store。"
        "填写尖括号中的内容；没有命令的操作在业务系统中进行。",
        "en": "This console only reads. Act on the command line, with the BKAPP_ITSM_… settings of the application. "
        "Add --app module:name for its workflow, or, if no effects follow an approval, --app none and the --store of "
        "this console. Fill in what is in angle brackets; an act without a command is carried out in the host.",
    },
    "give_actor": {"zh": "操作人", "en": "your name"},
    "give_reason": {"zh": "原因", "en": "reason"},
    "give_sn": {"zh": "单号", "en": "number"},
    "give_ticket_id": {"zh": "单据 ID", "en": "ticket id"},
    "give_approver": {"zh": "审批人", "en": "approver"},
    "give_override": {"zh": "为什么仍是这张单据", "en": "why it is the right one"},
    "give_evidence": {"zh": "依据", "en": "evidence"},
    "nothing_possible": {"zh": "现在没有可做的操作。", "en": "No act is possible now."},
    "picture": {"zh": "经过的状态", "en": "The way so far"},
    "history": {"zh": "历史记录", "en": "History"},
    "run": {
        "zh": "同样的记录还有 {count} 条，到 #{seq}",
        "en": "{count} more entries like this, up to #{seq}",
    },
    "left_out": {
        "zh": "只显示最近的记录，之前还有 {count} 条。",
        "en": "Only the latest entries are shown; {count} are before them.",
    },
    "raw": {"zh": "原始记录（JSON）", "en": "The entry as JSON"},
    "form": {"zh": "表单", "en": "Form"},
    "applicant": {"zh": "申请人", "en": "Applicant"},
    "content": {"zh": "内容", "en": "Content"},
    "no_ticket": {"zh": "还没有单据。", "en": "There is no ticket yet."},
    "ticket_number": {"zh": "单号", "en": "Number"},
    "ticket_id": {"zh": "单据 ID", "en": "Ticket id"},
    "recorded": {"zh": "登记时间", "en": "Recorded"},
    "status_seen": {"zh": "查询到的状态", "en": "Status seen"},
    "seen_at": {"zh": "{status}（{at}）", "en": "{status} ({at})"},
    "was_suspended": {
        "zh": "最近一次有记录的查询（{at}）显示单据已挂起：在 ITSM 中恢复之前，审批人无法处理。",
        "en": "The last look that left an entry, at {at}, saw the ticket suspended: no approver can decide it until it "
        "is resumed there.",
    },
    "ask_live": {
        "zh": "没有新内容的查询不留下记录。单据现在是否挂起，可以用这条命令查询；它同样需要 --app：",
        "en": "A look without other news leaves no entry. Whether the ticket is suspended now, this command asks; it "
        "needs --app as well:",
    },
    "open_ticket": {"zh": "在 ITSM 中打开", "en": "Open in the ticket system"},
    "decided": {"zh": "审批意见", "en": "Decided"},
    "effects": {"zh": "后置动作", "en": "Effects"},
    "deliveries": {"zh": "共尝试 {count} 次", "en": "deliveries: {count}"},
    "effect_parked": {"zh": "后置动作停止重试", "en": "Effect parked"},
    "parked_since": {"zh": "始于", "en": "since"},
    "parked_lately": {
        "zh": "列出后置动作停止重试的变更：待人工处理的，以及最近一年内有新记录的，各最多查看 1,000 个。",
        "en": "Changes with a parked effect: of those that need a person, and of those with an entry in the last "
        "year. At most 1,000 of each are looked at.",
    },
    "ids": {"zh": "编号与时间", "en": "Ids and times"},
    "id": {"zh": "变更 ID", "en": "Change id"},
    "key": {"zh": "关联键", "en": "Key"},
    "attempts": {"zh": "提单次数", "en": "Attempts to file"},
    "problem": {"zh": "提单问题", "en": "Last problem"},
    "look_problem": {"zh": "查询问题", "en": "Last look-up"},
    "created": {"zh": "创建时间", "en": "Created"},
    "updated": {"zh": "最近变化", "en": "Last entry"},
    "ended": {"zh": "结束时间", "en": "Ended"},
    "outcome": {"zh": "结局", "en": "Outcome"},
    # Acts
    "acts": {"zh": "操作", "en": "Acts"},
    "made": {"zh": "操作已执行，产生了记录 #{seq}。", "en": "Done. It made entry #{seq}."},
    "failed_again": {
        "zh": "已重试，但再次失败：{error}（记录 #{seq}）",
        "en": "Retried; it failed again: {error} (entry #{seq})",
    },
    "act_failed": {
        "zh": "操作没有成功。记录 #{seq}：{what}（{cause}）",
        "en": "It did not succeed. Entry #{seq}: {what} ({cause})",
    },
    "entries_since": {"zh": "记录 #{seq} 之后有 {count} 条新记录。", "en": "Entries after #{seq}: {count}."},
    "no_entry_since": {"zh": "记录 #{seq} 之后没有新记录。", "en": "There is no entry after #{seq}."},
    "between": {"zh": "{first}{second}", "en": "{first} {second}"},
    "saw_suspended": {
        "zh": "ITSM 显示单据已挂起：在 ITSM 中恢复之前，审批人无法处理。",
        "en": "The ticket system shows the ticket as suspended: no approver can decide it until it is resumed there.",
    },
    "saw": {"zh": "ITSM 显示的单据状态：{status}。", "en": "Status of the ticket in the ticket system: {status}."},
    "changed_nothing": {"zh": "操作没有带来任何变化。", "en": "It changed nothing."},
    "overtaken": {
        "zh": "没有以你的名义保存任何记录：{actor} 的记录 #{seq} 已使变更发生变化。",
        "en": "Nothing was recorded in your name: the change moved by entry #{seq} of {actor}.",
    },
    "unanswered": {
        "zh": "ITSM 没有应答，没有新记录。错误见控制台的日志。",
        "en": "The ticket system did not answer, and nothing was recorded. The error is in the log of the console.",
    },
    "look_failed": {"zh": "查询失败：{problem}", "en": "The look-up failed: {problem}"},
    "looked_up": {"zh": "查询结果：{problem}。", "en": "Result of the look-up: {problem}."},
    "open_holder": {"zh": "查看该变更", "en": "Look at that change"},
    "not_possible": {"zh": "现在不能执行“{act}”", "en": "“{act}” is not possible now"},
    "old_page": {
        "zh": "页面已过期，没有执行任何操作。请查看本页后再确认。",
        "en": "The page is too old, so nothing was done. This is a new one: look at it, then confirm.",
    },
    "nothing_yet": {
        "zh": "尚未保存或发送任何内容。确认后以 {person} 的名义执行。",
        "en": "Nothing was stored or sent yet. If you confirm, it is done in the name of {person}.",
    },
    "required": {"zh": "必填。", "en": "This is required."},
    "too_long": {"zh": "最多 {longest} 个字符。", "en": "At most {longest} characters."},
    "optional": {"zh": "（可选）", "en": " (optional)"},
    "cancel": {"zh": "取消", "en": "Cancel"},
    "log_in": {"zh": "登录", "en": "Log in"},
    "log_out": {"zh": "退出", "en": "Log out"},
    "name": {"zh": "用户名", "en": "Name"},
    "password": {"zh": "密码", "en": "Password"},
    "wrong_password": {"zh": "用户名或密码不正确。", "en": "The name or the password is wrong."},
    "wait": {"zh": "密码错误次数过多，请稍后再试。", "en": "Too many wrong passwords: wait a while, then try again."},
    # Errors
    "not_found": {"zh": "没有这个页面或变更", "en": "There is no such page or change"},
    "no_change": {
        "zh": "没有 ID 为 {name} 的变更。在列表中可以按单号、主题、标题或申请人查找。",
        "en": "No change has the id {name}. The list finds changes by number, subject, title and applicant.",
    },
    "failed": {"zh": "暂时无法读取变更", "en": "The changes cannot be read now"},
    "broken": {"zh": "页面出错", "en": "The page failed"},
    "refused": {"zh": "请求被拒绝", "en": "The request was refused"},
    "in_log": {
        "zh": "原因见控制台的日志（itsm_workflow.web）。请稍后重试。",
        "en": "The reason is in the log of the console (itsm_workflow.web). Try again later.",
    },
    "wrong_request": {
        "zh": "控制台不接受这个请求：地址中的域名或参数不正确。",
        "en": "The console does not accept this request: the name of the host, or a parameter, is wrong.",
    },
    "not_allowed": {
        "zh": "没有访问权限，或表单不是从本控制台的当前页面提交的。没有执行任何操作。",
        "en": "You have no access, or the form was not sent from a current page of this console. Nothing was done.",
    },
    "no_page": {"zh": "这个地址没有页面。", "en": "No page has this address."},
    "wrong_method": {
        "zh": "这个地址不支持这种请求方式。没有执行任何操作。",
        "en": "This address does not take this method. Nothing was done.",
    },
    "too_large": {
        "zh": "提交的内容过大。没有执行任何操作。",
        "en": "The form is too large. Nothing was done.",
    },
    "cannot_be_answered": {
        "zh": "控制台不能处理这个请求。没有执行任何操作。",
        "en": "The console cannot answer this request. Nothing was done.",
    },
    "bad_filter": {
        "zh": "地址中的筛选条件或页码不正确。请返回列表重新选择。",
        "en": "A filter or the token of the page in the address is wrong. Go back to the list and choose again.",
    },
    "back": {"zh": "返回变更列表", "en": "Back to the list"},
}
"""The words of the pages by their codes; the names in braces are the parameters of both languages."""


def words_in(language: str, code: str, **values: object) -> str:
    """Return words of a page in a language, with their values."""
    return WORDS[code][language].format_map(values)
