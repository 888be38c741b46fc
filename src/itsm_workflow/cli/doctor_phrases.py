"""The doctor's findings and advice in Chinese: by the English text, with its values in braces."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FINDINGS: Mapping[str, str] = {
    # Settings
    "yes, from {source}: the app secret is sent unencrypted": "是，来自 {source}：应用密钥会以明文发送",
    "correct {variable}": "改正 {variable}",
    "no setting names the service that tickets are filed with": "没有配置提单用的流程服务",
    "set BKAPP_ITSM_SERVICE_ID, BKAPP_ITSM_SERVICE_NAME, BKAPP_ITSM_SERVICE_ROLE or BKAPP_ITSM_FAST_APPROVAL=true, "
    "unless your application chooses the service of each ticket": (
        "设置 BKAPP_ITSM_SERVICE_ID、BKAPP_ITSM_SERVICE_NAME、BKAPP_ITSM_SERVICE_ROLE 或 "
        "BKAPP_ITSM_FAST_APPROVAL=true，除非应用自己为每张单据选择流程服务"
    ),
    "use an https address for the gateway, and unset BKAPP_ITSM_ALLOW_HTTP": (
        "改用 https 地址，并取消 BKAPP_ITSM_ALLOW_HTTP"
    ),
    "set {variable}, or unset {given} to work without callbacks": "设置 {variable}；不用回调时取消 {given}",
    "{host}, from {source}: only this machine can call it, but the gateway is on another machine": (
        "{host}，来自 {source}：只有本机能访问，但 ITSM 在另一台机器上"
    ),
    "set BKAPP_ITSM_CALLBACK_HOST to the address at which BK-ITSM reaches this application": (
        "把 BKAPP_ITSM_CALLBACK_HOST 设为 ITSM 能访问到本应用的地址"
    ),
    "remove the older keys; only reconcile learns of decisions on changes that were filed with them": (
        "删除更旧的密钥；用它们提单的变更只能靠对账得知结果"
    ),
    "{variable} is not a known setting": "{variable} 不是已知的配置项",
    "did you mean {nearest}?": "是不是 {nearest}？",
    "unset it; docs/reference/settings.md lists all variables": "取消它；全部变量见 docs/reference/settings.md",
    "set {source} to a file of PEM certificates, or unset it to trust the usual authorities": (
        "把 {source} 设为 PEM 证书文件，或取消它以使用系统证书"
    ),
    "not tried: the settings cannot be used": "没有检查：配置不可用",
    "correct the settings first": "先改正配置",
    # The connection
    "correct the host in {variable}, or the name resolution of this machine": (
        "改正 {variable} 里的域名，或本机的域名解析"
    ),
    "no server listens there: correct the host and port in {variable}, or start the server": (
        "该地址没有服务在监听：改正 {variable} 里的域名和端口，或启动服务"
    ),
    "probably a firewall or a missing route: allow this machine, or correct {variable}": (
        "多半是防火墙或路由不通：放行本机，或改正 {variable}"
    ),
    "renew the certificate, or name the authority that signed it in BKAPP_ITSM_CA_BUNDLE": (
        "更新证书，或用 BKAPP_ITSM_CA_BUNDLE 指定签发它的 CA"
    ),
    "let the server speak TLS 1.2 or newer there, or correct the scheme and port in {variable}": (
        "让服务端支持 TLS 1.2 或更新的版本，或改正 {variable} 里的协议和端口"
    ),
    "check the proxies and firewalls in between, or correct {variable}": "检查中间的代理和防火墙，或改正 {variable}",
    "verified, valid until {until}, {left}": "验证通过，有效期到 {until}，{left}",
    "verified, and valid until {until}, {left}": "验证通过，有效期到 {until}，{left}",
    "renew the certificate": "更新证书",
    "{place} accepts connections": "{place} 可以连接",
    # The gateway, and what it refuses
    "app {code} and user {user} were accepted; it lists {count} service": (
        "应用 {code} 和用户 {user} 通过验证；列出 {count} 个流程服务"
    ),
    "app {code} and user {user} were accepted; it lists {count} services": (
        "应用 {code} 和用户 {user} 通过验证；列出 {count} 个流程服务"
    ),
    "our clock and the gateway's agree": "本机时钟与 ITSM 一致",
    "the clocks cannot be compared: the gateway's answer has no valid Date header": (
        "无法比较时钟：ITSM 的应答没有有效的 Date 头"
    ),
    "synchronize the clock of this machine, or of the gateway, with a time server": (
        "把本机或 ITSM 的时钟与时间服务器同步"
    ),
    "ask the administrators of BK-ITSM and its gateway": "请 ITSM 和 API 网关的管理员查看",
    "correct the address or the account in BKAPP_ITSM_PROXY, or ask the administrators of the proxy": (
        "改正 BKAPP_ITSM_PROXY 里的地址或账号，或请代理的管理员查看"
    ),
    "correct BKAPP_ITSM_GATEWAY_URL, or BKAPP_ITSM_ROUTES: `docs/reference/bk-itsm.md` lists the values": (
        "改正 BKAPP_ITSM_GATEWAY_URL 或 BKAPP_ITSM_ROUTES：可用的值见 `docs/reference/bk-itsm.md`"
    ),
    "the gateway does not know this app code with this app secret ({words})": (
        "API 网关不认识这一对应用 ID 和密钥（{words}）"
    ),
    "set BKAPP_ITSM_APP_CODE and BKAPP_ITSM_APP_SECRET to the pair that the developer centre shows": (
        "把 BKAPP_ITSM_APP_CODE 和 BKAPP_ITSM_APP_SECRET 设为开发者中心显示的那一对"
    ),
    "the app was accepted, but its user was not ({words})": "应用通过验证，但用户没有通过（{words}）",
    "set BKAPP_ITSM_API_USER to a user that the platform knows, or ask for this app to be allowed to name users": (
        "把 BKAPP_ITSM_API_USER 设为平台已有的用户，或申请允许本应用指定用户"
    ),
    "the app and the user were accepted, but the app has no permission for this call ({words})": (
        "应用和用户都通过验证，但应用没有这个接口的权限（{words}）"
    ),
    "apply for the permission on BK-ITSM's gateway in the developer centre, or renew it": (
        "在开发者中心申请 ITSM 的 API 网关权限，或续期"
    ),
    "too many calls ({words})": "调用过于频繁（{words}）",
    "call less often, or ask for a higher limit": "减少调用，或申请提高限额",
    "the gateway does not admit this address or this tenant ({words})": "API 网关不放行这个地址或这个租户（{words}）",
    "ask for this machine's address to be added to the gateway's list; check BKAPP_ITSM_TENANT_ID": (
        "申请把本机地址加入 API 网关的名单；检查 BKAPP_ITSM_TENANT_ID"
    ),
    "the gateway does not admit this user ({words})": "API 网关不放行这个用户（{words}）",
    "set BKAPP_ITSM_API_USER to a user that is on the gateway's list": (
        "把 BKAPP_ITSM_API_USER 设为 API 网关名单里的用户"
    ),
    "the gateway does not admit this tenant ({words})": "API 网关不放行这个租户（{words}）",
    "correct BKAPP_ITSM_TENANT_ID, or ask for the tenant to be added to the gateway's list": (
        "改正 BKAPP_ITSM_TENANT_ID，或申请把租户加入 API 网关的名单"
    ),
    "the gateway has no such interface ({words})": "API 网关没有这个接口（{words}）",
    "the ESB has no such component ({words})": "ESB 没有这个组件（{words}）",
    "the ESB's component is switched off ({words})": "ESB 的组件已停用（{words}）",
    "ask for the component to be switched on": "申请启用该组件",
    "the ESB reports that the user may not do this ({words})": "ESB 报告用户没有这个权限（{words}）",
    "the gateway cannot get an answer from BK-ITSM ({words})": "API 网关无法从 ITSM 得到应答（{words}）",
    "the credentials were accepted, but BK-ITSM itself refused the call ({words})": (
        "凭据通过验证，但 ITSM 自己拒绝了调用（{words}）"
    ),
    "the gateway refused the credentials or the parameters ({words})": "API 网关拒绝了凭据或参数（{words}）",
    "the answer is a redirect ({words}), to a login page or another address": (
        "应答是跳转（{words}），指向登录页或其他地址"
    ),
    "the proxy requires another user or password ({words})": "代理要求另外的用户或密码（{words}）",
    "forbidden, but not by the gateway ({words}): BK-ITSM without its gateway answers like this, and so does a "
    "firewall": "被拒绝，但不是 API 网关拒绝的（{words}）：不经 API 网关直接访问 ITSM 会这样应答，防火墙也会",
    "set BKAPP_ITSM_GATEWAY_URL to the API gateway's or ESB's address, not to BK-ITSM's own": (
        "把 BKAPP_ITSM_GATEWAY_URL 设为 API 网关或 ESB 的地址，不要设为 ITSM 自己的地址"
    ),
    "the address does not exist ({words})": "地址不存在（{words}）",
    "the server failed ({words})": "服务端出错（{words}）",
    "the call was refused ({words})": "调用被拒绝（{words}）",
    "the answer is not from an API ({words}): a login page, or an address without a backend": (
        "应答不是接口的格式（{words}）：是登录页，或没有后端的地址"
    ),
    # The creates that were not sent
    "{call} was refused with {codes}, other calls are accepted (change {change})": (
        "{call} 被拒绝，返回码 {codes}，其他调用通过（变更 {change}）"
    ),
    "check the app's permission for this API in the developer centre, and that the process that files has this app "
    "code and app secret; then `itsm-workflow settle {change}` tries immediately": (
        "在开发者中心检查应用对这个接口的权限，并确认提单的进程使用的是这一对应用 ID 和密钥；"
        "然后 `itsm-workflow settle {change}` 可以立即重试"
    ),
    "change {change} was not filed, but calls are accepted now; its last problem: {problem}": (
        "变更 {change} 没有提单成功，但现在调用可以通过；最后一次的原因：{problem}"
    ),
    "`itsm-workflow settle {change}` tries immediately; if it fails again, check that the process that files has these "
    "settings and this network": (
        "`itsm-workflow settle {change}` 可以立即重试；再次失败时，检查提单的进程使用的配置和网络是否与这里相同"
    ),
    # The service
    "number {number} is {name}": "{number} 号是 {name}",
    "the gateway does not list the built-in service, {service}": "ITSM 没有列出内置的流程服务 {service}",
    "ask the administrators of BK-ITSM whether fast approval is available, or set BKAPP_ITSM_SERVICE_ID": (
        "请 ITSM 管理员确认是否有快速审批，或设置 BKAPP_ITSM_SERVICE_ID"
    ),
    "the built-in service, {service}, is number {number}; its form names the approvers": (
        "内置的流程服务 {service} 是 {number} 号；审批人写在它的表单里"
    ),
    "correct {variable}, or set BKAPP_ITSM_SERVICE_ID": "改正 {variable}，或设置 BKAPP_ITSM_SERVICE_ID",
    "correct {variable}: BK-ITSM refuses unknown fields": "改正 {variable}：ITSM 拒绝未知的字段",
    "every required field of the form is filled: {fields}": "表单的必填字段都会填写：{fields}",
    "no step of this service is assigned to a person: a ticket without an approval step ends as approved without a "
    "decision, and the library does not accept it": (
        "这个流程服务没有分配给人的节点：没有审批节点的单据不经决定就以通过结束，库不接受这样的结果"
    ),
    "add an approval step to the service's flow in BK-ITSM": "在 ITSM 里给该流程服务加上审批节点",
    "steps that are assigned to a person: {steps}": "分配给人的节点：{steps}",
    # Callbacks
    "not tried: callbacks are not configured, so only reconcile learns of decisions": (
        "没有检查：没有配置回调，只能靠对账得知结果"
    ),
    "set BKAPP_ITSM_CALLBACK_HOST and BKAPP_ITSM_CALLBACK_KEYS to receive callbacks": (
        "要接收回调，设置 BKAPP_ITSM_CALLBACK_HOST 和 BKAPP_ITSM_CALLBACK_KEYS"
    ),
    "correct the certificate, then run the doctor again": "改正证书，再运行一次 doctor",
    "the credential and the body arrived unchanged at a host with our keys": "凭据和正文原样到达了使用相同密钥的应用",
    "correct BKAPP_ITSM_CALLBACK_HOST, and let the host return the library's answer unchanged": (
        "改正 BKAPP_ITSM_CALLBACK_HOST，并让应用原样返回库的应答"
    ),
    "let the route answer immediately: process callbacks in the background, in a task queue, or in reconcile": (
        "让路由立即应答：在后台、任务队列或对账里处理回调"
    ),
    "let the route answer immediately, and check the proxies in between and their time-outs": (
        "让路由立即应答，并检查中间的代理和它们的超时"
    ),
    "check which server answers at this address: it must be the host, and it must speak HTTP": (
        "检查这个地址由哪个服务应答：应当是本应用，并且使用 HTTP"
    ),
    "let the proxy or gateway in front of the host pass the header, or set BKAPP_ITSM_CALLBACK_CREDENTIAL=path": (
        "让应用前面的代理放行这个请求头，或设置 BKAPP_ITSM_CALLBACK_CREDENTIAL=path"
    ),
    "see that the route accepts POST without login and CSRF protection, because the caller is a server": (
        "检查路由接受 POST，并且不要求登录和 CSRF 校验，因为调用方是服务端"
    ),
    "return exactly the status, headers and body that `Workflow.receive` returns": (
        "原样返回 `Workflow.receive` 给出的状态码、应答头和正文"
    ),
    "answered after {milliseconds} ms": "{milliseconds} 毫秒后应答",
    "HTTP 401: the host answers, but does not accept our credential": "HTTP 401：应用有应答，但不接受凭据",
    "run the host with these BKAPP_ITSM_CALLBACK_KEYS, with callbacks enabled, and with this release: an older release "
    "does not answer probes": (
        "让应用使用同样的 BKAPP_ITSM_CALLBACK_KEYS、启用回调，并升级到这个版本：更旧的版本不应答探测"
    ),
    "HTTP 400: the credential arrived, but the body did not arrive unchanged": (
        "HTTP 400：凭据到达了，但正文没有原样到达"
    ),
    "pass the raw body to `Workflow.receive`, and check the proxies in between": (
        "把原始正文传给 `Workflow.receive`，并检查中间的代理"
    ),
    "HTTP {status}: the request was refused before it reached the library": "HTTP {status}：请求在到达库之前就被拒绝",
    "HTTP 404: the address does not exist": "HTTP 404：地址不存在",
    "mount the route, or correct BKAPP_ITSM_CALLBACK_HOST, which must include the host's path prefix": (
        "挂载路由，或改正 BKAPP_ITSM_CALLBACK_HOST，它要包含应用的路径前缀"
    ),
    "HTTP 405: the address does not accept POST": "HTTP 405：地址不接受 POST",
    "read the logs of the host and of the proxies before it": "查看应用和它前面代理的日志",
    "use the https address in BKAPP_ITSM_CALLBACK_HOST": "BKAPP_ITSM_CALLBACK_HOST 要用 https 地址",
    # The store
    "the store can be written": "存储可以写入",
    "there is no store at {path} yet; the first change creates it": "{path} 还没有存储；第一个变更会创建它",
    "correct BKAPP_ITSM_STORE or --store if changes were stored before": (
        "如果之前保存过变更，请改正 BKAPP_ITSM_STORE 或 --store"
    ),
    "correct BKAPP_ITSM_STORE or --store, or remove the cause of the error": (
        "改正 BKAPP_ITSM_STORE 或 --store，或消除错误的原因"
    ),
    "`itsm-workflow storage repair`, or restore a backup with `itsm-workflow storage restore`": (
        "运行 `itsm-workflow storage repair`，或用 `itsm-workflow storage restore` 从备份恢复"
    ),
    "install a release that knows this schema": "安装认识这个结构版本的版本",
    "back up the store, stop the processes of older releases, then run `itsm-workflow storage upgrade`; the rest of "
    "the store was not examined": (
        "备份存储，停掉更旧版本的进程，再运行 `itsm-workflow storage upgrade`；存储的其余部分没有检查"
    ),
    "{path} opens": "{path} 可以打开",
    "schema {schema} is current": "结构版本 {schema}，已是最新",
    "the schema is known": "结构版本已知",
    "no damage was found in {count} row": "{count} 行中没有发现损坏",
    "no damage was found in {count} rows": "{count} 行中没有发现损坏",
    "changes that wait for a person: {counts}": "待人工处理的变更：{counts}",
    "`itsm-workflow list --attention` lists them, `itsm-workflow why ID` shows what to do": (
        "`itsm-workflow list --attention` 列出它们，`itsm-workflow why ID` 说明怎么办"
    ),
    "no change waits for a person": "没有待人工处理的变更",
    "overdue changes: {counts}, the first since {since} UTC": "逾期未查询的变更：{counts}，最早的一个从 {since} UTC 起",
    "no change is overdue": "没有逾期未查询的变更",
    "run `itsm-workflow reconcile --app module:name` every few minutes, by cron or your task queue, with the "
    "application of {workflows}: a pass reconciles the changes of one workflow": (
        "用 cron 或任务队列每隔几分钟运行 `itsm-workflow reconcile --app module:name`，应用是 {workflows} 的应用："
        "一轮对账只处理一个工作流的变更"
    ),
}
"""By text of a finding or an advice in English, the text in Chinese."""

SETTINGS: Mapping[str, str] = {
    "set, from {source}": "已设置，来自 {source}",
    "yes, from {source}": "是，来自 {source}",
    "no, from {source}": "否，来自 {source}",
    "{count} key, from {source}": "{count} 个密钥，来自 {source}",
    "{count} keys, from {source}": "{count} 个密钥，来自 {source}",
    "{value}, from {source}": "{value}，来自 {source}",
    "{value}, from {source}; ignored: {variables}": "{value}，来自 {source}；未使用：{variables}",
    "from {source}": "来自 {source}",
}
"""By text of a finding about a setting, the text in Chinese: for these findings alone, since other texts look alike."""
