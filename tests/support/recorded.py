"""The recordings as values, and the situation in which each was made, by its name and note."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import attrs

FOLDER = Path(__file__).parents[1] / "contract" / "recordings" / "bk_itsm_v2"
SN = re.compile(r"(?i)REQ\d{14}")
NOBODYS_DAY = "REQ1999"
Json: TypeAlias = Any
"""JSON as the other side sent it."""


@attrs.frozen
class Recording:
    """One file.

    Attributes:
        name: The file's name without its suffix.
        content: The file's JSON.
    """

    name: str
    content: dict[str, Json] = attrs.field(repr=False)

    @property
    def is_callback(self) -> bool:
        """Whether BK-ITSM sent the request."""
        return "direction" in self.content

    @property
    def is_exchange(self) -> bool:
        """Whether a client sent the request and BK-ITSM answered it."""
        request = self.content.get("request")
        return isinstance(request, dict) and "path" in request and not self.is_callback

    @property
    def words(self) -> frozenset[str]:
        """The words of the name, which describe what was done before."""
        return frozenset(re.findall(r"[a-z]+", self.name.lower()))

    @property
    def note(self) -> str:
        """The remark of the person who made the recording."""
        return str(self.content.get("note", ""))

    @property
    def at(self) -> datetime:
        """The time of the recording."""
        return datetime.fromisoformat(self.content.get("at_utc", "2026-11-24T18:30:00Z"))

    @property
    def request(self) -> dict[str, Json]:
        """The request as recorded."""
        return dict(self.content["request"])

    @property
    def response(self) -> dict[str, Json]:
        """The answer as recorded."""
        return dict(self.content["response"])

    @property
    def endpoint(self) -> str:
        """The last words of the path, such as ``get_tickets``."""
        return urlsplit(self.request["path"]).path.rstrip("/").removeprefix("/openapi/").split("/", 1)[-1]

    @property
    def asked(self) -> dict[str, Json]:
        """The query parameters and the JSON body together, as far as they can be parsed."""
        query = dict(parse_qsl(urlsplit(self.request["path"]).query, keep_blank_values=True))
        body = _json(self.request.get("body"))
        return {**query, **(body if isinstance(body, dict) else {})}

    @property
    def envelope(self) -> Json:
        """The answer's JSON; None if the answer is not JSON."""
        response = self.response
        return response["json"] if "json" in response else _json(response.get("body"))

    @property
    def data(self) -> Json:
        """The ``data`` of the answer's envelope."""
        return self.envelope.get("data") if isinstance(self.envelope, dict) else None

    @property
    def succeeded(self) -> bool:
        """Whether the envelope reports success."""
        return isinstance(self.envelope, dict) and self.envelope.get("result") is True

    @property
    def message(self) -> str:
        """The envelope's message."""
        return str(self.envelope.get("message", "")) if isinstance(self.envelope, dict) else ""

    @property
    def sns(self) -> list[str]:
        """The ticket numbers in the request, in order, without duplicates, in upper case."""
        text = f"{self.request['path']} {self.request.get('body') or ''}"
        return list(dict.fromkeys(found.upper() for found in SN.findall(text)))

    @property
    def rows(self) -> list[dict[str, Json]]:
        """The tickets in the answer, in order."""
        return [row for row in _objects(self.data) if "sn" in row and "current_status" in row]


def recordings() -> list[Recording]:
    """Read every file of the folder."""
    return [
        Recording(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json"))
    ]


def _json(text: object) -> Json:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _objects(value: Json) -> list[dict[str, Json]]:
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    if isinstance(value, dict):
        return [value, *(found for item in value.values() for found in _objects(item))]
    return []
