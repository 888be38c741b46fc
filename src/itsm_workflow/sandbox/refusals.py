"""The refusals of BK-ITSM: one exception with the code and the message of the envelope."""

from __future__ import annotations

NOT_CREATED = 3900003
NOT_OPERATED = 3900004
BAD_PARAMETER = 3900005
FLOW_ENGINE = 3900019
NO_TICKET = 3900022
NO_OBJECT = 3900404
METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
SERVER_ERROR = "SERVER_500_ERROR"

UNKNOWN_TICKET_TEXT = "没有找到对应的单据"


class Refusal(Exception):
    """A business error of BK-ITSM.

    Attributes:
        code: the envelope's ``code``, a number or one of two strings.
        message: the envelope's ``message``.
        uses_number: whether the database refused the request, after a ticket number was used up.
    """

    def __init__(self, code: int | str, message: str, *, uses_number: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.uses_number = uses_number


def unexpected(text: object, *, uses_number: bool = False) -> Refusal:
    """Build the answer to an unexpected request: 3900004 with the raw text of the fault."""
    return Refusal(NOT_OPERATED, f"接口异常，请检查请求参数: {text}", uses_number=uses_number)


def invalid(text: str) -> Refusal:
    """Build the answer of a failed validation: 3900004 with the repr of a list of errors."""
    return unexpected(f"[ErrorDetail(string='{text}', code='invalid')]")


def not_created(text: str, *, uses_number: bool = False) -> Refusal:
    """Build the answer to an invalid ticket form: 3900003."""
    return Refusal(NOT_CREATED, f"提单失败: {text}", uses_number=uses_number)


def not_operated(text: str) -> Refusal:
    """Build the answer to a decision that is not possible: 3900004."""
    return Refusal(NOT_OPERATED, f"单据操作失败: {text}")


def bad_parameter(text: str) -> Refusal:
    """Build the answer to an invalid parameter: 3900005."""
    return Refusal(BAD_PARAMETER, f"参数验证失败: {text}")


def no_ticket() -> Refusal:
    """Build the answer to an unknown ticket number: 3900022."""
    return Refusal(NO_TICKET, UNKNOWN_TICKET_TEXT)


def server_error(text: object) -> Refusal:
    """Build the answer of an endpoint that does not catch errors: SERVER_500_ERROR with the raw text."""
    return Refusal(SERVER_ERROR, str(text))


class Unforeseen(Exception):
    """A fault inside BK-ITSM that is not a refusal by a rule.

    Its envelope depends on the endpoint: some endpoints catch every error as 3900004, the others answer with
    SERVER_500_ERROR.
    """
