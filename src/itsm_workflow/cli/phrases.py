"""The command's own texts in Chinese: by the English text that is printed, with its values in braces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    # The headings of tables, and the names of facts
    "id": "ID",
    "state": "状态",
    "attention": "待人工处理",
    "last entry (UTC)": "最近变动 (UTC)",
    "subject": "主题",
    "sn": "单号",
    "title": "标题",
    "seq": "序号",
    "at (UTC)": "时间 (UTC)",
    "from": "原状态",
    "trigger": "动作",
    "to": "新状态",
    "actor": "操作人",
    "facts": "事实",
    "outcome": "结局",
    "decided": "审批意见",
    "applicant": "申请人",
    "approvers": "审批人",
    "content": "内容",
    "ticket": "单据",
    "ticket now": "单据当前状态",
    "ticket page": "单据页面",
    "last problem": "最近的问题",
    "last look-up": "最近一次查询",
    "effect {name}": "后置动作 {name}",
    "made": "创建时间",
    "last entry": "最近变动",
    "allowed": "现在可以执行",
    "why": "说明",
    "attempt": "第几次提单",
    "result": "结果",
    "`{command} --help` shows the usage": "`{command} --help` 显示用法",
    "line": "行",
    "old": "原值",
    "new": "新值",
    "damaged": "损坏",
    "original": "原文件",
    "restored": "已恢复",
    "dropped": "已丢弃",
    "lost commits": "丢失的提交",
    "store": "存储",
    "changes": "变更数",
    # Lists
    "no change matches": "没有符合条件的变更",
    "there are more changes: a higher --limit shows more, --after {token} the next page": (
        "还有更多变更：调大 --limit 可多看一些，--after {token} 看下一页"
    ),
    "the store holds changes of {workflows}: name the application of that workflow (--app)": (
        "存储里有工作流 {workflows} 的变更：用 --app 写明该工作流的应用"
    ),
    "change {change_id} cannot be read: {problem}": "变更 {change_id} 无法读取：{problem}",
    "the ticket's present status is not known; what is stored is printed": "单据当前状态未知；显示的是已保存的内容",
    "the ticket's present status is not shown by this gateway; what is stored is printed": (
        "单据系统不显示单据当前状态；显示的是已保存的内容"
    ),
    "{count} of the changes cannot be read and were not examined": "有 {count} 个变更无法读取，没有统计",
    # Acts on a change
    "the gateway refused the ticket; the change is a draft again": "ITSM 拒绝了提单；变更回到草稿",
    "the gateway refused the ticket; the change can be submitted again": "ITSM 拒绝了提单；变更可以重新提交",
    "no ticket was made yet; `itsm-workflow reconcile` files the stored change": (
        "还没有创建单据；`itsm-workflow reconcile` 会为已保存的变更提单"
    ),
    "it is not known yet whether there is a ticket; `itsm-workflow reconcile` finds out": (
        "还不知道是否有单据；`itsm-workflow reconcile` 会查明"
    ),
    "it is not known yet whether there is a ticket": "还不知道是否有单据",
    "effect {name} failed: {error}": "后置动作 {name} 失败：{error}",
    "effect {name} failed again: {error}": "后置动作 {name} 再次失败：{error}",
    "effect {name} is due; the application that has it delivers it in its next pass": (
        "后置动作 {name} 待执行；有它的应用会在下一次对账时执行"
    ),
    "change {change_id} has no effect {wanted}; it has {known}": (
        "变更 {change_id} 没有后置动作 {wanted}；它有 {known}"
    ),
    "--field names {names} more than once": "--field 重复写了 {names}",
    "the arguments were refused, nothing was stored or sent:": "参数被拒绝，没有保存，也没有发送：",
    "the command needs to know which effects follow an approval: name the application that has them, with --app "
    "module:name or {variable}; or give --app {none} if no effects follow": (
        "需要知道审批通过后有哪些后置动作：用 --app module:name 或 {variable} 写明有它们的应用；"
        "没有后置动作时写 --app {none}"
    ),
    "--app brings its own store: leave --store out": "--app 自带存储：不要再写 --store",
    # Many changes
    "would be sent": "将重新提单",
    "sent": "已重新提单",
    "refused: {reason}": "被拒绝：{reason}",
    "{actor} is not permitted to resend it": "{actor} 没有权限重新提单",
    "failed: {error}": "失败：{error}",
    "nothing was sent: --yes resends these": "没有提单：加 --yes 才会重新提单",
    "nothing was sent: --yes resends it": "没有提单：加 --yes 才会重新提单",
    "due {due}: moved {moved}, unchanged {unchanged}, busy {busy}, failed {failed}, unreadable {unreadable}; "
    "undelivered callbacks {undelivered}; {seconds} s": (
        "到期 {due}：有变动 {moved}，无变动 {unchanged}，被占用 {busy}，失败 {failed}，无法读取 {unreadable}；"
        "未送达的回调 {undelivered}；用时 {seconds} 秒"
    ),
    "the pass ended before it had settled every due change: {reason}": "对账在处理完所有到期的变更之前结束：{reason}",
    "a function outside the library raised SystemExit({code}), so the command did not finish": (
        "库以外的函数抛出 SystemExit({code})，命令没有完成"
    ),
    "the limit was reached": "已达到 --limit 的数量",
    "its time was used up": "已用完 --seconds 的时间",
    "this pass settled only changes of {workflow}, but the store also holds changes of {others} that have long been "
    "due: name the application of that workflow (--app)": (
        "这次对账只处理了工作流 {workflow} 的变更，但存储里还有 {others} 的变更早已到期：用 --app 写明该工作流的应用"
    ),
    "change {change_id} did not end within {seconds} s and is in state {state}: {sentence}": (
        "变更 {change_id} 在 {seconds} 秒内没有结束，状态是 {state}：{sentence}"
    ),
    "problems {problems}, warnings {warnings}, ok {ok}": "问题 {problems}，警告 {warnings}，正常 {ok}",
    "--callback calls an address: give --online as well": "--callback 会访问回调地址：请同时写 --online",
    "{agreeing} of {rows} agree; nothing was stored": "{rows} 中有 {agreeing} 一致；没有保存",
    "nothing was stored: --yes adopts {tickets}": "没有保存：加 --yes 才会接管 {tickets}",
    "the file has no rows": "文件里没有数据行",
    # Callback keys
    "{live} of {most} keys are live": "{most} 个密钥中有 {live} 个有效",
    "{count} more are listed in {variable} and no longer accepted: remove them": (
        "{variable} 里还有 {count} 个已不再接受的密钥：请删除"
    ),
    "{path} has the new value of {variable}: give it to every process, then remove the file": (
        "{path} 里是 {variable} 的新值：给每个进程换上，然后删除该文件"
    ),
    "{count} open changes rely on the present keys: rotate again when they have ended": (
        "还有 {count} 个未结束的变更依赖现在的密钥：等它们结束后再轮换"
    ),
    "--rotate and --output belong together: keys are written to a file, never printed": (
        "--rotate 和 --output 要一起写：密钥只写入文件，不会打印"
    ),
    "--output: {path} exists already: name a new file": "--output：{path} 已存在，请写一个新文件",
    # Paths, ports and objects
    "{problem}; make the folder {folder} first, or name another file": "{problem}；请先建目录 {folder}，或换一个文件",
    "{problem}; name a place where you may write": "{problem}；请换一个有权限写入的位置",
    "{option} {path} cannot be written: {cause}": "{option} {path} 无法写入：{cause}",
    "--port {port}: cannot listen on {address}: {cause}; another program listens there: give another --port, or "
    "--port 0 for a free one": (
        "--port {port}：无法监听 {address}：{cause}；端口已被占用：换一个 --port，或写 --port 0 自动选取"
    ),
    "cannot listen on {address}, since another process does: choose another port with --port, or --port 0 for a free "
    "one": "无法监听 {address}，端口已被占用：用 --port 换一个端口，或写 --port 0 自动选取",
    "the console is at http://{address}/ until Ctrl-C": "控制台地址是 http://{address}/，按 Ctrl-C 结束",
    "{label} is not written as module:name, such as shop.itsm:make_workflow": (
        "{label} 要写成 module:name，例如 shop.itsm:make_workflow"
    ),
    "{label} is {actual}; expected {expected}": "{label} 是 {actual}；应为 {expected}",
    "{label} returns {actual}; expected {expected}": "{label} 返回 {actual}；应为 {expected}",
    "{label} cannot be loaded: {cause}": "{label} 无法加载：{cause}",
    "wrote {path}": "已写入 {path}",
    # Stores
    "is now": "现在是",
    "a copy of {path}": "{path} 的副本",
    "set aside": "原存储移到",
    "nothing: there was no store": "无：原来没有存储",
    "{name} as of version {version}": "{name}，恢复到版本 {version}",
    "entries": "记录数",
    "digest": "摘要",
    "newer": "更新的版本",
    "{count} were written by a newer version and not decoded": "{count} 个由更新的版本写入，没有解码",
    "none": "无",
    "change": "变更",
    "what is wrong": "问题",
    "missing": "缺少",
    "behind": "落后",
    "same": "相同",
    "copied": "已复制",
    "digest of FROM": "FROM 的摘要",
    "digest of TO": "TO 的摘要",
    "conflict": "冲突",
    "why it was not copied": "没有复制的原因",
    "FROM is damaged, and nothing was written: repair it, or restore a backup, then copy it": (
        "FROM 已损坏，没有写入：先修复，或从备份恢复，再复制"
    ),
    "TO has changes that are not earlier versions of those in FROM: nothing was written": (
        "TO 里有的变更不是 FROM 里变更的更早版本：没有写入"
    ),
    "the changes were read again from both stores and are the same": "已重新读取两个存储，变更相同",
    "a store is damaged that was intact before: do not use the copy": "有一个原本完好的存储已损坏：不要使用副本",
    "not every change could be copied; those that are named were not written": "有变更没有复制；已列出的变更没有写入",
    "FROM was written while it was copied, and TO lacks what is newer: stop the processes that write to FROM, then run "
    "the command again": "复制期间 FROM 有写入，TO 缺少更新的内容：停掉写入 FROM 的进程，再运行一次",
    "checking: {done} changes": "正在检查：{done} 个变更",
    "checking the source: {done} changes": "正在检查源存储：{done} 个变更",
    "comparing: {done} changes": "正在比较：{done} 个变更",
    "the {scheme} backend has no schema; nothing was done": "{scheme} 后端没有结构版本，没有做任何修改",
    "the store was copied to {path}": "存储已复制到 {path}",
    "the store is not damaged, and nothing was done": "存储没有损坏，没有做任何修改",
    "the store had schema {found} and has schema {known} now": "存储的结构版本已从 {found} 升级到 {known}",
    "the store has schema {known}, which is current; nothing was done": (
        "存储的结构版本是 {known}，已是最新，没有做任何修改"
    ),
    "the tables were created with schema {known}": "已建表，结构版本 {known}",
    "-- the tables are current": "-- 表结构已是最新",
    "FROM and TO name the same store": "FROM 和 TO 是同一个存储",
    "a store in memory is empty when the command begins and lost when it ends": "内存存储在命令开始时为空，结束后丢失",
    # The demonstration and the stand-in
    "Look at the store yourself:": "自己查看存储：",
    "{path} exists, but the demonstration starts with an empty store: choose another folder": (
        "{path} 已存在，但演示要从空的存储开始：请换一个目录"
    ),
    "BK-ITSM stand-in at {address} until Ctrl-C. Decide tickets, and make it misbehave, in a browser:": (
        "BK-ITSM 模拟服务在 {address}，按 Ctrl-C 停止。在浏览器中审批单据、模拟故障："
    ),
    "or from another terminal:": "或者在另一个终端里：",
    "  curl -d {body} {address}    # or reject/": "  curl -d {body} {address}    # 或 reject/",
    "--host {host}, --port {port}: cannot listen on {address}: {cause}; a port below 1024 needs permission, and --host "
    "an address of this machine": (
        "--host {host}、--port {port}：无法监听 {address}：{cause}；小于 1024 的端口需要权限，--host 必须是本机的地址"
    ),
}
"""By text in English, the text in Chinese. Values that are texts of the library are looked up as well."""
