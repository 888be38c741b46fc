"""What BK-ITSM would make of an answer, by the rules that were recorded."""

from __future__ import annotations

import json

import pytest

from itsm_workflow.bkapi.transport import HttpResponse
from itsm_workflow.doctor.delivery import Acknowledged, Undelivered, judge

URL = "http://host.example.com/itsm/callback/X/1/"
PROOF = "proof"


def judged(
    status: int, body: object, *, kind: str = "application/json", location: str = ""
) -> Acknowledged | Undelivered:
    """Return what an answer means."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": kind, "location": location}
    answer = HttpResponse(status=status, headers=headers, body=raw, elapsed=0.01)
    return judge(answer, proves=lambda proof: proof == PROOF, url=URL)


@pytest.mark.parametrize("status", [200, 201])
def test_delivered_is_200_or_201_with_the_number_0(status: int) -> None:
    """And proven if the proof is there."""
    found = judged(status, {"code": 0, "data": {"probe": PROOF}})

    assert isinstance(found, Acknowledged)
    assert found.proven


@pytest.mark.parametrize("data", [None, {}, {"probe": 1}, {"probe": "else"}, [], "x"])
def test_delivered_by_somebody_else(data: object) -> None:
    """A code 0 alone proves nothing of who answered."""
    found = judged(200, {"code": 0, "data": data})

    assert isinstance(found, Acknowledged)
    assert not found.proven


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (202, {"code": 0}, "HTTP 202"),
        (204, b"", "HTTP 204"),
        (200, {"code": "0"}, 'the code "0"'),
        (200, {"code": 1}, "the code 1"),
        (200, {"code": None}, "the code null"),
        (200, {"code": False}, "the code false"),
        (200, {"code": [0]}, "a code that is not a number"),
        (200, {}, "no code"),
        (200, [], "JSON that is not an object"),
        (200, b"", "an empty body"),
        (200, b"ok", "not JSON"),
        (200, b"  <!doctype html>", "an HTML page"),
        (302, b"", "redirected"),
        (400, {"code": 501}, "the body did not"),
        (400, {}, "HTTP 400"),
        (401, {"code": 7}, "refused before it reached the library"),
        (403, b"CSRF verification failed", "refused before it reached the library"),
        (404, b"", "does not exist"),
        (405, b"", "does not accept POST"),
        (500, b"", "failed"),
        (502, b"", "failed"),
        (503, {"code": 501}, "could not store"),
    ],
)
def test_failed_is_everything_else(status: int, body: object, words: str) -> None:
    """Each is told for what it is, with something to do."""
    found = judged(status, body)

    assert isinstance(found, Undelivered)
    assert words in found.seen
    assert found.advice
    assert not found.credential_unknown


def test_our_own_401_is_about_the_credential() -> None:
    """The library answers it, and nobody else answers with its code."""
    found = judged(401, {"result": False, "code": 501, "message": "not a callback of this application", "data": None})

    assert isinstance(found, Undelivered)
    assert found.credential_unknown


@pytest.mark.parametrize(
    ("location", "words", "advice"),
    [
        ("https://login.example.com/?next=secret", "https://login.example.com,", "without login"),
        ("https://host.example.com/itsm/callback/X/1/", "https://host.example.com,", "use the https address"),
        ("/login", "the same host", "without login"),
        ("http://[", "nowhere", "without login"),
        (f"http://[v1.{'x' * 90}]/", "http://[v1.", "without login"),
        ("https://me:secret@login.example.com/", "https://login.example.com,", "without login"),
    ],
)
def test_a_redirect_is_told_by_its_host_alone(location: str, words: str, advice: str) -> None:
    """The rest of the address may hold what nobody should see."""
    found = judged(302, b"", location=location)

    assert isinstance(found, Undelivered)
    assert words in found.seen
    assert "secret" not in found.seen
    assert advice in found.advice


@pytest.mark.parametrize(("status", "words"), [(301, "by GET"), (303, "by GET"), (307, "as it was")])
def test_how_bk_itsm_follows_depends_on_the_status(status: int, words: str) -> None:
    """Two kinds of redirect lose the body, two repeat it."""
    found = judged(status, b"", location="https://else.example.com/")

    assert isinstance(found, Undelivered)
    assert f"BK-ITSM follows {words}" in found.seen
