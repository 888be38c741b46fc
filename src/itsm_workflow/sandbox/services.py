"""The services with which tickets can be filed: their forms, their flows, and the catalogue tree."""

from __future__ import annotations

import attrs

BUILTIN_APPROVAL = "内置审批服务"
APPROVAL_CATALOG = 11


@attrs.frozen(kw_only=True)
class FieldSpec:
    """One field of a form.

    Attributes:
        id: the field's id in the flow.
        key: the key that a create or a decision must use.
        type: the server's word, such as STRING, TEXT, INT, DATE, MEMBERS, SELECT or RADIO.
        name: the name for people.
        desc: a hint for people.
        required: whether a create without the field, or with an empty text, is refused.
        shared: whether the field comes from the table that all flows share.
        choices: the choices, as pairs of key and name.
        source: the source of the choices. The server shows them only if the source is CUSTOM.
    """

    id: int
    key: str
    type: str
    name: str
    desc: str = ""
    required: bool = True
    shared: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    source: str = "CUSTOM"

    @property
    def shown_choices(self) -> list[dict[str, str]]:
        """The choices as the server shows them."""
        return [{"key": key, "name": name} for key, name in self.choices] if self.source == "CUSTOM" else []


TITLE = FieldSpec(id=31, key="title", type="STRING", name="标题", desc="请输入标题", shared=True)
APPROVER = FieldSpec(id=32, key="APPROVER", type="MEMBERS", name="审批人")
APPROVAL_CONTENT = FieldSpec(id=33, key="APPROVAL_CONTENT", type="TEXT", name="审批内容")

BUSINESSES = (("2", "蓝鲸"),)
"""The businesses that a form may name."""

LOG_COLLECTING = (
    TITLE,
    FieldSpec(
        id=51, key="bk_biz_id", type="SELECT", name="关联业务", desc="请选择关联业务", choices=BUSINESSES, source="API"
    ),
    FieldSpec(id=52, key="expect_access_data", type="DATE", name="期待接入日期"),
    FieldSpec(id=53, key="single_log_size", type="INT", name="单条日志大小(Bytes)"),
    FieldSpec(id=54, key="single_host_peak", type="INT", name="单机流量峰值（KB/S）"),
    FieldSpec(id=55, key="single_host_log_volume", type="INT", name="单机增长日志量"),
    FieldSpec(id=56, key="expect_host_size", type="INT", name="预计接入主机数"),
    FieldSpec(id=57, key="log_keep_days", type="INT", name="日志保留天数"),
    FieldSpec(id=58, key="hot_data_days", type="STRING", name="热数据天数"),
    FieldSpec(id=59, key="apply_reason", type="TEXT", name="申请原因", required=False),
    FieldSpec(id=60, key="collector_detail", type="CUSTOM-FORM", name="采集详情", required=False),
    FieldSpec(id=61, key="capacity_formula", type="CUSTOM-FORM", name="容量公式", required=False),
)
"""The form of the log platform's own service."""


@attrs.frozen(kw_only=True)
class Service:
    """One service.

    Attributes:
        id: the ``service_id`` of a create.
        name: the name for people.
        desc: a hint for people.
        catalog_id: the service's entry in the catalogue.
        display_type: API, OPEN or INVISIBLE, a filter of get_services.
        display_role: the roles that may see the service, with commas around each; empty for all roles.
        service_type: "request" for all built-in services.
        form: the fields of the first step.
        open_form: whether a create may have other keys, which become plain text fields.
        approval: whether the flow has an approval step; a ticket without it finishes by itself.
        approvers: the approvers if the form has no field APPROVER.
    """

    id: int
    name: str
    desc: str = ""
    catalog_id: int = 12
    display_type: str = "API"
    display_role: str = ""
    service_type: str = "request"
    form: tuple[FieldSpec, ...] = (TITLE,)
    open_form: bool = True
    approval: bool = True
    approvers: tuple[str, ...] = ("admin",)

    @property
    def workflow_id(self) -> int:
        """The flow's id, as get_service_detail and the fields of a step show it."""
        return self.id + 1

    @property
    def flow_id(self) -> int:
        """The flow version's id, as tickets show it."""
        return self.id

    @property
    def submit_state(self) -> int:
        """The id of the submit step."""
        return 14 if self.id == 2 else self.id * 100 + 1  # noqa: PLR2004 - 14 and 15 are the recorded ids

    @property
    def approval_state(self) -> int:
        """The id of the approval step."""
        return self.submit_state + 1


FAST_APPROVAL = Service(
    id=2,
    name=BUILTIN_APPROVAL,
    catalog_id=APPROVAL_CATALOG,
    display_type="INVISIBLE",
    form=(TITLE, APPROVER, APPROVAL_CONTENT),
    open_form=False,
)

DEFAULT_SERVICES = (
    Service(id=1, name="账号开通申请", desc="内置审批服务", display_type="OPEN"),
    FAST_APPROVAL,
    Service(id=3, name="默认审批流程", desc="默认审批服务", catalog_id=APPROVAL_CATALOG),
    Service(id=4, name="用户组审批流程", desc="用户组审批服务", catalog_id=APPROVAL_CATALOG),
    Service(
        id=5,
        name="日志平台容量评估",
        desc="日志检索采集接入服务",
        catalog_id=APPROVAL_CATALOG,
        form=LOG_COLLECTING,
        open_form=False,
    ),
    Service(id=6, name="创建资源组", desc="创建资源组"),
    Service(id=7, name="资源组扩容", desc="资源组扩容"),
    Service(id=8, name="项目申请资源组", desc="项目申请资源组"),
    Service(id=9, name="项目申请业务数据", desc="项目申请业务数据"),
    Service(id=10, name="申请角色权限", desc="申请角色权限"),
    Service(id=11, name="离线计算补算", desc="离线计算补算"),
    Service(id=12, name="第三方应用授权申请", desc="第三方应用授权申请"),
    Service(id=13, name="TDM数据源接入", desc="TDM数据源接入"),
)


def self_finishing(service_id: int, name: str = "无审批流程") -> Service:
    """Return a service without an approval step: its tickets end as FINISHED with approve_result true."""
    return Service(id=service_id, name=name, approval=False)


@attrs.frozen
class Catalog:
    """One entry of the catalogue tree, with its children in the server's order."""

    id: int
    key: str
    name: str
    children: tuple[Catalog, ...] = ()


CATALOGS = Catalog(
    1,
    "root",
    "根目录",
    (
        Catalog(12, "LANJINGJICHUPINGTAI", "蓝鲸基础平台"),
        Catalog(APPROVAL_CATALOG, "approve_service_catalog", "内置审批目录"),
        Catalog(9, "ZIYUANFUWU", "资源服务", (Catalog(10, "YUNWEIZIYUAN", "运维资源"),)),
        Catalog(
            6, "JICHUPEIZHI", "基础配置", (Catalog(8, "YEWUGUANLI", "业务管理"), Catalog(7, "ZHUJIGUANLI", "主机管理"))
        ),
        Catalog(
            2,
            "FUWUFANKUI",
            "服务反馈",
            (
                Catalog(5, "SHIJIANGUANLI", "事件管理"),
                Catalog(4, "WENTIGUANLI", "问题管理"),
                Catalog(3, "ZIXUNJIANYI", "咨询建议"),
            ),
        ),
    ),
)
