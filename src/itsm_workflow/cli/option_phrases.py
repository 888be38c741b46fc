"""The texts of options and files that commands for operators refuse, in Chinese: by the English text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS: Mapping[str, str] = {
    # Values
    "{text} is not a field: write key=value": "{text} 不是字段：要写成 key=value",
    "{text} is not in the range {bounds}.": "{text} 不在范围 {bounds} 内。",
    "it is empty: {advice}": "不能为空：{advice}",
    "explain the decision in a few words, which stay in the history": "用几个字说明原因，会留在历史记录里",
    "say where you looked in the ticket system itself, and what you found, or leave it out": (
        "写明在 ITSM 里查了哪里、查到什么，或者不写"
    ),
    "{option} takes the states of {workflow}: {known}; not {value}": (
        "{option} 只能是工作流 {workflow} 的状态 {known}，不能是 {value}"
    ),
    "no time zone of this machine is named {text}; write UTC, or a name such as Asia/Shanghai, for which the system "
    "needs its package tzdata": "本机没有时区 {text}：写 UTC，或 Asia/Shanghai 这样的名称（系统需要安装 tzdata）",
    # Names of changes
    "{name} names {count} changes, give the id of one:{lines}": (
        "{name} 对应 {count} 个变更，请写其中一个的 ID：{lines}"
    ),
    "no ticket": "没有单据",
    "cannot be read": "无法读取",
    "change {change_id} has no effect {wanted}; it has none": (
        "变更 {change_id} 没有后置动作 {wanted}；它没有任何后置动作"
    ),
    # The console
    "--allow-actions needs a login, since each act has an actor: make a file with `itsm-workflow web-password NAME >> "
    "FILE`, and name it with --logins FILE": (
        "--allow-actions 需要登录，因为每个操作都要有操作人：用 `itsm-workflow web-password NAME >> FILE` 生成文件，"
        "再用 --logins FILE 写明"
    ),
    "--host {host} needs the name by which browsers ask for the pages: name it with --name HOST, for example --name "
    "itsm.example.com": (
        "--host {host} 需要写明浏览器访问时用的域名：用 --name HOST 写明，例如 --name itsm.example.com"
    ),
    "cannot listen on {address}: {cause}": "无法监听 {address}：{cause}",
    "the name {name} is not possible: leave out colons, line breaks and outer spaces": (
        "用户名 {name} 不能用：不要写冒号、换行和首尾空格"
    ),
    "the password is too short: take at least {least} characters": "密码太短：至少 {least} 个字符",
    "{path} has no line: make one with `itsm-workflow web-password NAME >> {same}`": (
        "{path} 是空的：用 `itsm-workflow web-password NAME >> {same}` 生成一行"
    ),
    "{path} is not a file of lines that `itsm-workflow web-password` prints": (
        "{path} 不是由 `itsm-workflow web-password` 输出的行组成的文件"
    ),
    "other users can read or change {path}: type `chmod 600 {same}`": (
        "其他用户可以读取或修改 {path}：请执行 `chmod 600 {same}`"
    ),
    "cannot read {path}: {cause}": "无法读取 {path}：{cause}",
    "{path} is not a text in UTF-8": "{path} 不是 UTF-8 文本",
    "line {line} of {path} is not one that `itsm-workflow web-password` prints": (
        "{path} 的第 {line} 行不是 `itsm-workflow web-password` 输出的"
    ),
    "line {line} of {path} repeats the name {name}: leave one line of it": (
        "{path} 的第 {line} 行重复了用户名 {name}：只留一行"
    ),
    # Pictures
    "--kind {kind} draws the life of one change: name the change by --request ID": (
        "--kind {kind} 画的是一个变更的过程：用 --request ID 写明变更"
    ),
    "{definition} is drawn without a change: name the workflow of a change by --app": (
        "{definition} 不能和变更一起画：用 --app 写明变更的工作流"
    ),
    "--language {language} does not fit the format {spec} of the states: use --format svg": (
        "--language {language} 不适用于状态图的 {spec} 格式：请用 --format svg"
    ),
    "--hide, --focus and --plain choose among the states: they do not fit --kind {kind}": (
        "--hide、--focus 和 --plain 只用于状态图，不适用于 --kind {kind}"
    ),
    "a graph cannot be written as {suffix}: name the file with {known}": (
        "图不能写成 {suffix} 文件：文件名后缀要用 {known}"
    ),
    "--format {spec} does not fit {output}: a file with {suffix} is written as {other}": (
        "--format {spec} 与 {output} 不一致：后缀是 {suffix} 的文件按 {other} 格式写"
    ),
    "--kind {kind} does not fit {given}: use --format {formats}, or a file with {suffixes}": (
        "--kind {kind} 不适用于 {given}：用 --format {formats}，或后缀是 {suffixes} 的文件"
    ),
    "--format {spec} is not text: write it to a file by -o FILE.{same}": (
        "--format {spec} 不是文本：用 -o FILE.{same} 写到文件"
    ),
    # Stores and figures
    "{file} is a SQLite database: give the URL of a SQLite store, {url}": (
        "{file} 是 SQLite 数据库：请写 SQLite 存储的地址 {url}"
    ),
    "the {scheme} backend cannot make backups: use the tools of its server; able are: {able}": (
        "{scheme} 后端不能备份：用数据库自己的工具；支持的有：{able}"
    ),
    "the {scheme} backend cannot restore backups: use the tools of its server; able are: {able}": (
        "{scheme} 后端不能恢复备份：用数据库自己的工具；支持的有：{able}"
    ),
    "the tables of a {scheme} store are upgraded by `itsm-workflow storage migrate`": (
        "{scheme} 存储的表用 `itsm-workflow storage migrate` 升级"
    ),
    "the {scheme} backend creates its store when it is opened, and `itsm-workflow storage upgrade` upgrades it; a "
    "migration is for: {able}": (
        "{scheme} 后端在打开时创建存储，用 `itsm-workflow storage upgrade` 升级；migrate 只用于：{able}"
    ),
    "no {scheme} backend that can repair is installed; able are: {able}": (
        "没有安装能修复的 {scheme} 后端；支持的有：{able}"
    ),
    "no storage backend is installed for {scheme}://; installed are: {known}": (
        "没有安装 {scheme}:// 的存储后端；已安装的有：{known}"
    ),
    "no storage backend is installed for {scheme}://; did you mean {near}? installed are: {known}": (
        "没有安装 {scheme}:// 的存储后端；是不是 {near}？已安装的有：{known}"
    ),
    "{problem}; --json needs no further package": "{problem}；--json 不需要别的包",
    "{label} was loaded, but Django's apps are not loaded: {advice}": (
        "已加载 {label}，但 Django 的应用没有加载：{advice}"
    ),
}
"""By text in English, the text in Chinese."""

SEEN: Mapping[str, str] = {
    "ticket {ticket_id} is {word}": "单据 {ticket_id} 的状态是 {word}",
    "its result is true": "审批结果为通过",
    "its result is false": "审批结果为未通过",
    "its result was not read, since that removes it from the list of undelivered callbacks": (
        "没有读取审批结果，因为读取会把它从未送达回调的列表中移除"
    ),
    "so the change ends as {outcome}": "因此变更的结局是 {outcome}",
    "so the change waits": "因此变更继续等待",
    "so the change waits, with attention {attention}": "因此变更继续等待，待人工处理的原因是 {attention}",
    "{user} approved it": "{user} 通过",
    "{user} refused it": "{user} 拒绝",
    "{user} decided it": "{user} 已处理",
    "{user} approved it: {remark}": "{user} 通过：{remark}",
    "{user} refused it: {remark}": "{user} 拒绝：{remark}",
    "{user} decided it: {remark}": "{user} 已处理：{remark}",
}
"""The parts of the reason of `Workflow.shadow`, likewise. They are separated by a semicolon and a space."""
