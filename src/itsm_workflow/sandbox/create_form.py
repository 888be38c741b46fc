"""The checks of create_ticket, in the order of BK-ITSM, from a parsed body to a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itsm_workflow.sandbox.refusals import invalid, not_created, unexpected
from itsm_workflow.sandbox.services import BUILTIN_APPROVAL
from itsm_workflow.sandbox.ticket import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.sandbox.services import FieldSpec, Service

TITLE_COLUMN = 128
CREATOR_COLUMN = 64
TAG_COLUMN = 32
SEVERAL = frozenset({"CHECKBOX", "MULTISELECT"})
DYNAMIC_NAME = 32
DYNAMIC_VALUE = 1024
DYNAMIC_TYPES = frozenset({"STRING", "INT", "LINK"})
NO_SERVICE = "{'服务': ErrorDetail(string='服务不存在，请联系管理员！', code='invalid')}"


def read_create(body: Mapping[str, Any], *, user: str, services: Mapping[int, Service]) -> Draft:
    """Check the body of a create.

    Args:
        body: the parsed JSON object.
        user: the gateway's user, who becomes the creator if the body does not name one.
        services: the services with which tickets can be filed.

    Raises:
        Refusal: 3900003 for the ticket form, 3900004 for everything else. ``uses_number`` marks a refusal by the
            database, which uses up a ticket number.
    """
    service = _service(body, services)
    creator = _text(body.get("creator", user), "creator")
    meta = body.get("meta", {})
    if not isinstance(meta, dict):
        text = f"'{type(meta).__name__}' object has no attribute 'get'"
        raise unexpected(text)
    values = _values(body.get("fields", []))
    tag = _text(body["tag"], "tag") if "tag" in body else None
    _check_form(service, values)
    dynamic = tuple(_dynamic(field) for field in _list(body.get("dynamic_fields") or []))
    _check_columns(values, tag, creator)
    return Draft(
        title=str(values["title"]),
        creator=creator,
        service=service,
        values=values,
        approvers=_approvers(service, values),
        tag=tag,
        meta=meta,
        dynamic=dynamic,
    )


def _service(body: Mapping[str, Any], services: Mapping[int, Service]) -> Service:
    if body.get("fast_approval"):
        return next(service for service in services.values() if service.name == BUILTIN_APPROVAL)
    service = find_service(body.get("service_id"), services)
    if service is None:
        raise unexpected(NO_SERVICE)
    return service


def find_service(service_id: object, services: Mapping[int, Service]) -> Service | None:
    """Find the service with an id, as the request has it.

    Returns:
        The service; None if the id is missing or unknown.

    Raises:
        Refusal: 3900004, the id is not a number.
    """
    if service_id is None or service_id == "":
        return None
    return services.get(read_id(service_id))


def read_id(value: object) -> int:
    """Parse a number that may be given as text.

    Raises:
        Refusal: 3900004, the value is not a number.
    """
    try:
        return int(value)  # type: ignore[call-overload,no-any-return]  # any JSON value; other types raise a TypeError
    except (TypeError, ValueError) as error:
        text = f"Field 'id' expected a number but got {value!r}."
        raise unexpected(text) from error


def _text(value: object, name: str) -> str:
    if value is None:
        fault = "该字段不能为 null。", "null"
    elif isinstance(value, (dict, list, bool)):
        fault = "Not a valid string.", "invalid"
    elif not str(value).strip():
        fault = "该字段不能为空。", "blank"
    else:
        return str(value).strip()
    text = f"{{'{name}': [ErrorDetail(string='{fault[0]}', code='{fault[1]}')]}}"
    raise unexpected(text)


def _list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    text = "string indices must be integers" if value is not None else "'NoneType' object is not iterable"
    raise unexpected(text)


def _values(fields: object) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in _list(fields):
        if not isinstance(field, dict):
            text = "string indices must be integers"
            raise unexpected(text)
        for name in ("key", "value"):
            if name not in field:
                raise unexpected(repr(name))
        values[str(field["key"])] = field["value"]
    if "title" not in values:
        raise unexpected(repr("title"))
    return values


def _check_form(service: Service, values: Mapping[str, Any]) -> None:
    missing = [field.key for field in service.form if field.required and field.key not in values]
    if missing:
        text = f"单据创建失败，缺少参数：{missing}"
        raise not_created(text)
    known = {field.key: field for field in service.form}
    for key, value in values.items():
        field = known.get(key)
        if field is None:
            if service.open_form:
                continue
            text = f"【{key}】字段不存在，请联系管理员"
            raise not_created(text)
        if value == "":
            if field.required:
                text = f"【{field.name}】为必填项"
                raise not_created(text)
            continue
        # Other types are not checked: null, a number or a list is not an empty text.
        if key == "title":
            _check_title(value)
        if field.choices:
            _check_choice(field, value)


def _check_title(title: object) -> None:
    try:
        length = len(title)  # type: ignore[arg-type]  # any JSON value; one without a length raises a TypeError
    except TypeError as error:
        raise not_created(str(error)) from error
    if length > TITLE_COLUMN:
        # The message says 120, but the check accepts 128.
        text = "标题不能超过120个字符"
        raise not_created(text)


def _check_choice(field: FieldSpec, value: object) -> None:
    chosen = [str(value)]
    if field.type in SEVERAL:
        if not isinstance(value, str):
            text = f"'{type(value).__name__}' object has no attribute 'split'"
            raise not_created(text)
        chosen = value.split(",")
    if not {key for key, _ in field.choices}.issuperset(chosen):
        text = f"【{field.name}】选项不匹配，请重新选择"
        raise not_created(text)


def _dynamic(field: object) -> tuple[str, str, str]:
    if not isinstance(field, dict):
        text = "无效数据。期待为字典类型。"
        raise invalid(text)
    name, kind, value = (_text(field.get(key), key) for key in ("name", "type", "value"))
    if kind not in DYNAMIC_TYPES:
        text = f"“{kind}” 不是合法选项。"
        raise invalid(text)
    if len(name) > DYNAMIC_NAME or len(value) > DYNAMIC_VALUE:
        text = "请确保这个字段不能过长。"
        raise invalid(text)
    return name, kind, value


def _check_columns(values: Mapping[str, Any], tag: str | None, creator: str) -> None:
    for column, text in (("title", str(values["title"])), ("tag", tag or ""), ("creator", creator)):
        if _beyond_three_bytes(text):
            message = f'(1366, "Incorrect string value for column `bk_itsm`.`ticket_ticket`.`{column}` at row 1")'
            raise unexpected(message, uses_number=True)
    for column, text, size in (("tag", tag or "", TAG_COLUMN), ("creator", creator, CREATOR_COLUMN)):
        if len(text) > size:
            message = f"(1406, \"Data too long for column '{column}' at row 1\")"
            raise unexpected(message, uses_number=True)
    if any(_beyond_three_bytes(str(value)) for value in values.values()):
        # The server writes the values after the ticket's row, and then deletes that row.
        text = "单据创建失败"
        raise not_created(text, uses_number=True)


def _beyond_three_bytes(text: str) -> bool:
    """Return whether a text needs four-byte UTF-8, which the columns of the recorded server cannot store."""
    return any(character > "\uffff" for character in text)


def _approvers(service: Service, values: Mapping[str, Any]) -> tuple[str, ...]:
    if not service.approval:
        return ()
    named = values.get("APPROVER")
    if isinstance(named, (bool, list, dict)) or named is None:
        return service.approvers
    named = str(named)
    # Split only at commas: the second approver of "alice, bob" is " bob", who does not exist.
    return tuple(name for name in named.split(",") if name)
