"""The help of the commands for operators in Chinese: by the command, and by the option with or without its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HELP: Mapping[str, str] = {
    "": "把变更申请提交为 ITSM 单据，并跟踪到结束。",
    "--version": "显示版本并退出。",
    "--help": "显示帮助并退出。",
    "--json": "输出 JSON；键有文档，保持稳定。",
    "--store": "存储的地址，例如 sqlite:///changes.db 或 json:///changes.jsonl。",
    "--app": "应用的 Workflow，或返回它的函数；没有后置动作时写 none。",
    "--language": "输出给人看的语言；默认按 locale（LC_ALL、LC_MESSAGES、LANG）。",
    "--actor": "决定此事的人；留在历史记录里。",
    "--reason": "原因；留在历史记录里。",
    "list": "列出变更，最早的在前。",
    "list --state": "只列出处于该状态的变更；可重复。",
    "list --attention": "只列出待人工处理的变更。",
    "list --reason": "只列出因该原因待人工处理的变更，例如 overdue；可重复。",
    "list --subject": "只列出该主题的变更。",
    "list --sn": "只列出单号相同的变更。",
    "list --older-than": "只列出最近变动至少早于该时长的变更，例如 30m、1h 或 2d。",
    "list --limit": "最多列出多少个。",
    "list --after": "列出下一页：上一页输出的标记。",
    "show": "显示一个变更：写 ID、主题或单号。",
    "--live": "向 ITSM 查询单据当前状态；结果不保存。",
    "why": "输出变更在等什么、从何时起、下次查询时间，以及人可以做什么。",
    "history": "显示变更的历史记录，最早的在前；会校验摘要链。",
    "graph": "画出工作流；指定变更时带它的路径，或画它的过程。\n\nDEFINITION 用 module:name 写明 WorkflowDefinition、"
    "Workflow 或返回它们的函数，不需要存储。默认是 --app 的工作流，或内置的工作流。",
    "graph --request": "标出该变更的路径，或画它的过程：写 ID、主题或单号。",
    "graph --kind": "工作流的状态图，或变更的时间线、时序图。",
    "graph --format": "图的格式；默认按文件后缀。没有文件时，终端上是 terminal，否则是 mermaid，时间线是 svg。",
    "graph --language": "图中文字的语言；默认按 locale。",
    "graph --hide": "不画该状态或动作；可重复。",
    "graph --focus": "只画该状态或动作，以及相邻一步的状态；可重复。",
    "graph --plain": "不画依据和守卫条件。",
    "graph --output": "写到文件而不是标准输出。格式由后缀决定：.mmd、.md、.rst、.txt、.svg、.dot、.gv、.png、.pdf。",
    "wait": "等待变更结束并输出；期间要有别的进程对账。\n\n只有审批通过时退出码为 0。",
    "wait --timeout": "最多等待多久；默认不限。",
    "wait --poll": "每隔多久读取一次存储。",
    "metrics": "以 Prometheus 的文本格式输出存储的指标。",
    "metrics --limit": "每个未结束的状态、每个待人工处理的原因最多统计多少个变更。",
    "metrics --output": "一步替换该文件而不打印，供 node exporter 的 textfile collector 读取。",
    "apply": "提单：先保存意图，只发送一次，再保存结果。",
    "apply --subject": "变更的主题，即要变更什么，例如采集项的 ID。",
    "apply --title": "单据的标题。",
    "apply --applicant": "申请人；即单据的提单人。",
    "apply --approver": "可以审批的人；可重复。",
    "apply --field": "字段。值是有效的 JSON 时按 JSON，否则按文本；可重复。",
    "apply --content": "审批人看到的内容；默认是各字段。",
    "apply --actor": "提单的人；留在历史记录里。默认是申请人。",
    "apply --collector": "检查采集项的八个字段。",
    "apply --dry-run": "输出将要发送的内容；不发送，也不保存。",
    "settle": "向 ITSM 查询一个变更的单据，按结果更新变更，并执行到期的后置动作。",
    "withdraw": "请求 ITSM 撤单；ITSM 显示已撤销后变更结束。",
    "resend": "查询不到单据后，用同一个关联键重新提单。",
    "resend --evidence": "查询失败时写明：在 ITSM 里查了哪里、查到什么。",
    "resend-all": "为每个查询不到单据的变更重新提单。不加 --yes 时只列出这些变更。",
    "resend-all --attention": "为因该原因待人工处理的变更重新提单。",
    "resend-all --limit": "最多处理多少个。",
    "resend-all --yes": "重新提单；不加时只列出将处理的变更。",
    "record-ticket": "把变更与人找到的单据绑定。与提单内容不符的单据需要 --override。",
    "record-ticket --sn": "单号。",
    "record-ticket --ticket-id": "单据 ID；多张单据的单号相同时必填。",
    "record-ticket --override": "与提单内容不符的单据为什么仍属于该变更。",
    "abandon": "放弃草稿、查询不到单据的提单，或单据没有人审批的变更。",
    "retry-effect": "按名称或 ID 重新执行停止重试的后置动作。",
    "raise-attention": "请人工查看该变更；变更不会因此停止。",
    "clear-attention": "标记为已处理，变更不再待人工处理。",
    "attest-approval": "单据已审批通过但 ITSM 查不到审批人时，由人证明审批通过。",
    "attest-approval --ticket-id": "单据 ID，见 ITSM 的单据页面。",
    "attest-approval --approver": "审批该单据的用户。",
    "attest-approval --evidence": "证明审批通过的依据；留在历史记录里。",
    "attest-approval --actor": "作证的人：不能是申请人或审批人。",
    "accept-after-withdrawal": "撤单后又恢复的单据，仍以它的结果为准。",
    "reconcile": "向 ITSM 查询每个到期变更的单据，按结果更新变更；每隔几分钟运行一次。\n\n"
    "加 --watch 会一直重复到 Ctrl-C；收到 SIGTERM 时先完成当前一轮。",
    "reconcile --limit": "一轮最多处理多少个变更。",
    "reconcile --seconds": "超过该时间后不再处理新的变更。",
    "reconcile --watch": "重复执行，每轮之后停多久。",
    "web": "提供控制台页面，直到 Ctrl-C 或 SIGTERM：供人查看和处理变更。",
    "web --host": "监听的地址。",
    "web --port": "端口；0 为自动选取。",
    "web --name": "浏览器访问时用的域名，本机名称之外的；可重复。",
    "web --logins": "要求登录：由 `web-password` 输出的行组成的文件。",
    "web --https": "浏览器经代理用 HTTPS 访问：cookie 只经 HTTPS 发送。",
    "web --zone": "页面的时区，例如 Asia/Shanghai。",
    "web --allow-actions": "提供运维操作；需要 --logins。",
    "web-password": "为 `web --logins` 的文件输出一行：用户名和密码的哈希。",
    "web-password --password": "密码；默认会询问，且不显示。",
    "doctor": "检查配置、存储、ITSM 和回调，并给出建议。不做任何修改。",
    "doctor --online": "同时访问 ITSM；不加时不会访问本机之外。",
    "doctor --callback": "与 --online 一起：像 ITSM 一样访问回调地址。",
    "callback-keys": "输出验证回调的密钥个数，或轮换密钥。",
    "callback-keys --rotate": "生成新密钥，放在现有最新密钥之前。",
    "callback-keys --output": "写变量的新文件，只有你能读；密钥不会打印。",
    "storage": "存储的检查、校验、复制、归档、备份、恢复、升级、建表和修复。",
    "storage archive": "把早已结束的变更从存储 FROM 复制到存储 TO，最后比较两份。\n\n"
    "只复制已结束、不待人工处理、没有到期的查询、"
    "后置动作都已完成的变更。TO 可以有以前的变更。FROM 中不删除任何内容：每个主题最新的变更决定该主题。",
    "storage archive --older-than": "例如 90d，按最近变动。",
    "storage archive --dry-run": "只统计将要复制的数量，不做修改。",
    "storage copy": "把存储 FROM 复制到同类或另一类后端的存储 TO，最后比较两份。\n\nTO 为空，或是 FROM 更早的副本，"
    "所以中断的复制可以用同一个命令继续。TO 里若有不是 FROM 中变更更早版本的变更，会列出并且不写入。"
    "最后一次复制之前停掉写 FROM 的进程，完成之前不要启动写 TO 的进程。",
    "storage copy --dry-run": "检查 FROM，只统计将要复制的数量，不做修改。",
    "storage verify": "校验存储中每个变更的历史能重放出它的行，没有缺口，摘要正确。\n\n"
    "不修改存储，其他进程可以同时使用。"
    "为每个损坏的变更输出一行；有损坏时退出码为 4。",
    "storage repair": "使损坏的存储恢复可用；原文件保留在同一目录。\n\n"
    "PATH 是后端能修复的存储地址，或 JSON 存储的文件。"
    "先停掉使用 SQLite 存储的所有进程。",
    "storage backup": "把存储复制到新文件 TARGET，其他进程可以同时使用。\n\n使用中的 SQLite 存储不能用别的方式复制："
    "最近的提交在另一个文件里。",
    "storage restore": "用 BACKUP 替换 URL 的存储；被替换的存储保留在同一目录。\n\n"
    "BACKUP 是 `storage backup` 生成的文件，"
    "会先检查，不会改动。先停掉使用该存储的所有进程：仍有进程打开 SQLite 存储时会拒绝恢复。",
    "storage upgrade": "把存储升级到本版本的结构；之后旧版本的进程不能再使用。\n\n先备份，并停掉这些进程。"
    "本版本要写入的进程打开存储时也会升级。",
    "storage migrate": "在数据库服务器上建表或升级表。\n\n账号需要建表权限。先备份数据库，并停掉旧版本的进程。",
    "storage migrate --dry-run": "只输出 SQL 语句，不做修改。",
    "demo": "用本机的 BK-ITSM 模拟服务运行一批变更，注入故障，再审核结果。",
    "demo --folder": "把存储和业务系统的日志保存在该目录；默认是新的临时目录。",
    "demo --seed": "ID 和模拟服务随机选择的种子。",
    "demo --verbose": "输出各步的时间，以及全部变更的 ID 和单据。",
    "sandbox": "运行 BK-ITSM 模拟服务，直到 Ctrl-C 或 SIGTERM，并输出客户端的配置。",
    "sandbox --host": "监听的地址。",
    "sandbox --port": "端口；0 表示任选一个空闲端口。",
    "sandbox --loaded": "像负载高的服务器一样慢：16 到 25 秒才到审批节点。",
    "shadow": "把原处理程序的状态与本库会得出的状态比较。不保存，也不发送。",
    "shadow --csv": "原处理程序的单据，UTF-8 编码，列有 subject、sn、status，可以有 id。",
    "shadow --results": "读取已结束单据的审批结果，读取会把它从未送达回调的列表中移除。",
    "adopt": "接管别的程序提交的未结束单据。不加 --yes 时只列出可以接管的单据。",
    "adopt --csv": "原处理程序的单据，UTF-8 编码，列有 subject、sn、status，可以有 id。",
    "adopt --yes": "接管；不加时只列出可以接管的单据，不保存。",
}
"""The text of a command is found by its name, that of an option by ``command --option``, then by ``--option``."""

PANELS: Mapping[str, str] = {
    "Look": "查看",
    "Act on a change": "处理变更",
    "Run": "运行",
    "Try and prove": "试用与验证",
}
"""By the English title of a group of commands, the Chinese title."""

EPILOGS: Mapping[str, str] = {"Examples:": "示例：", "Example:": "示例："}
"""By the first line below the help of a command, the Chinese line."""
