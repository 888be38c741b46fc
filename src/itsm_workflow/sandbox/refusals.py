"""How BK-ITSM says no: one exception that carries the code and the message of the envelope."""

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
        uses_number: the refusal came from the database, after a ticket number had been drawn.
    """

    def __init__(self, code: int | str, message: str, *, uses_number: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.uses_number = uses_number


def unexpected(text: object, *, uses_number: bool = False) -> Refusal:
    """Build the answer to whatever BK-ITSM did not foresee: 3900004 with the raw text of the fault."""
    return Refusal(NOT_OPERATED, f"接口异常，请检查请求参数: {text}", uses_number=uses_number)


def invalid(text: str) -> Refusal:
    """Build the answer of a failed validation: 3900004 with the repr of an error list."""
    return unexpected(f"[ErrorDetail(string='{text}', code='invalid')]")


def not_created(text: str, *, uses_number: bool = False) -> Refusal:
    """Build the answer to a ticket form that is refused: 3900003."""
    return Refusal(NOT_CREATED, f"提单失败: {text}", uses_number=uses_number)


def not_operated(text: str) -> Refusal:
    """Build the answer to a decision that cannot be taken: 3900004."""
    return Refusal(NOT_OPERATED, f"单据操作失败: {text}")


def bad_parameter(text: str) -> Refusal:
    """Build the answer to a parameter that does not fit: 3900005."""
    return Refusal(BAD_PARAMETER, f"参数验证失败: {text}")


def no_ticket() -> Refusal:
    """Build the answer to a ticket number nobody has: 3900022."""
    return Refusal(NO_TICKET, UNKNOWN_TICKET_TEXT)


def server_error(text: object) -> Refusal:
    """Build the answer of an endpoint that catches nothing: the string code SERVER_500_ERROR with the raw text."""
    return Refusal(SERVER_ERROR, str(text))


class Unforeseen(Exception):
    """A fault inside BK-ITSM that no rule turned into a refusal.

    Which envelope it becomes depends on the endpoint: some catch everything as 3900004, the others let it through
    as SERVER_500_ERROR.
    """
