"""The types of the routes, for the description of the interface (OpenAPI)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from itsm_workflow.integrations.log_platform import CollectorStatus


class CollectorFields(BaseModel):
    """The eight fields of a collector's form."""

    expect_access_data: str = Field(description="The day on which the collection begins, YYYY-MM-DD.")
    single_log_size: int = Field(ge=1, description="The size of one log line in bytes.")
    single_host_peak: int = Field(ge=1, description="The peak traffic of one host in KB/s.")
    single_host_log_volume: float = Field(gt=0, description="The growth of one host's logs in GB a day.")
    expect_host_size: int = Field(ge=1, description="The number of hosts.")
    log_keep_days: int = Field(ge=1, description="The number of days for which logs are kept.")
    hot_data_days: int = Field(ge=0, description="The number of days for which logs stay on fast disks.")
    apply_reason: str = Field(description="The reason for the request.")


class Application(CollectorFields):
    """An application: the eight fields, and what the ticket shows."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(default="", description="The ticket's title; required unless the host completes it.")
    content: str = Field(default="", description="The text for the approvers; by default made from the fields.")
    approvers: list[str] = Field(default=[], description="The users who may approve, if the service names none.")


class CollectorData(BaseModel):
    """The status of a collector, the pages of its ticket, and the fields of its form."""

    model_config = ConfigDict(extra="forbid")

    collect_itsm_status: CollectorStatus
    collect_itsm_status_display: str = Field(description="The label of the status.")
    sn: str | None = Field(description="The ticket's number.")
    ticket_url: str | None
    iframe_ticket_url: str | None = Field(description="The page to embed, if `live` asked for it.")
    expect_access_data: str | None
    single_log_size: int | None
    single_host_peak: int | None
    single_host_log_volume: float | None
    expect_host_size: int | None
    log_keep_days: int | None
    hot_data_days: int | None
    apply_reason: str | None


class StatusAnswer(BaseModel):
    """The answer to a request that succeeded."""

    model_config = ConfigDict(extra="forbid")

    result: Literal[True]
    code: Literal[0]
    message: str
    data: CollectorData


class FormProblem(BaseModel):
    """A problem of a form."""

    field: str
    value: str
    rule: str


class Failure(BaseModel):
    """The answer to a request that failed."""

    model_config = ConfigDict(extra="forbid")

    result: Literal[False]
    code: int = Field(description="The log platform's number: 501 callback refused, 502 applied already, 503 service.")
    message: str
    data: None
    errors: list[FormProblem] = Field(default=[], description="The problems of a form, if there are any.")


class CallbackAnswer(BaseModel):
    """The answer to a callback; BK-ITSM counts it as delivered if the code is 0."""

    model_config = ConfigDict(extra="forbid")

    result: Literal[True]
    code: Literal[0]
    message: str
    data: dict[str, str] | None
