"""The sequence diagram of a change, drawn from its history."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import Decider, Form
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.pictures import SequenceDiagram
from tests.support import examples as x
from tests.support import lives
from tests.support.lives import LIVES
from tests.unit.pictures.drawing import SVG, outside, read, texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.change import Entry
    from tests.support.lives import Told

WITHDRAW = f"{x.ID}.withdraw.1.0"


def diagram(path: Sequence[Entry]) -> SequenceDiagram:
    """Return the diagram of a history of the shipped workflow."""
    return SequenceDiagram(definition=COLLECTOR_CHANGE, path=path)


def messages(*told: Told) -> list[str]:
    """Return the messages and notes after the ticket was requested, without the entries and their times."""
    lines = [line.strip() for line in diagram(lives.life(*told)).mermaid().splitlines()]
    begin = next(number for number, line in enumerate(lines) if line.startswith("library->>store: #35;3 "))
    return [line for line in lines[begin + 1 :] if not line.startswith("library->>store")]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", LIVES.values(), ids=LIVES)
def test_every_life_is_drawn_within_its_frame(path: Sequence[Entry], language: str) -> None:
    """No text leaves the picture, and the same history gives the same bytes."""
    one, other = diagram(path), diagram(copy.deepcopy(path))
    assert one.svg(language=language) == other.svg(language=language)
    assert one.mermaid(language=language) == other.mermaid(language=language)
    assert outside(read(one.svg(language=language))) == []


@pytest.mark.parametrize("path", LIVES.values(), ids=LIVES)
def test_both_forms_have_the_same_messages(path: Sequence[Entry]) -> None:
    """As many calls, answers and lost messages, and every entry of the history once."""
    svg, text = diagram(path).svg(), diagram(path).mermaid()
    kinds = [each.attrib["class"].split("-")[-1] for each in read(svg).iter(f"{SVG}g")]
    arrows = re.findall(r"^ *[a-z]+(-->>|->>|-x)[a-z]+:", text, re.MULTILINE)
    names = {"->>": "call", "-->>": "answer", "-x": "lost"}
    assert kinds == [names[arrow] for arrow in arrows]
    folded = sum(int(times) - 1 for times in re.findall(r"loop (\d+) times", text))
    assert text.count("library->>store") + folded == len(path)


def test_a_request_without_an_answer_is_a_broken_arrow() -> None:
    """The ticket is then found by a look."""
    found = (240, lives.GATEWAY, "record_ticket", x.confirmed(sn=lives.SN, channel=ev.Channel.LOOKUP))
    assert messages(*lives.unanswered(5), found) == [
        "library->>gateway: create the ticket",
        "gateway-xlibrary: no usable answer: ReadTimeout: no answer within 15 s",
        "loop 5 times, until 08:02:51",
        "library->>gateway: look up the ticket by its key",
        "gateway-->>library: the gateway has no such ticket",
        "end",
        "Note over host,approver: 1 min 9 s later",
        "library->>gateway: look up the ticket by its key",
        f"gateway-->>library: ticket {lives.SN}",
        "Note over store: Waiting for approval",
    ]


def test_a_request_that_was_not_sent_breaks_off_before_the_gateway() -> None:
    """The next one is sent."""
    unsent = (1, lives.ALICE, "mark_unsent", x.mark(problem="no such host"))
    assert messages(*lives.sent(), unsent)[:2] == [
        "library-xgateway: create the ticket",
        "gateway-xlibrary: not sent: no such host",
    ]


@pytest.mark.parametrize(
    "problem",
    [
        "create_ticket: the gateway answered HTTP 401: App secret wrong (code 1640101)",
        "create_ticket: the gateway did not answer with HTTP 200: App secret wrong (code 1640101, HTTP 401)",
    ],
)
def test_a_request_whose_credentials_were_refused_arrived(problem: str) -> None:
    """It is drawn whole, and its answer as well; an earlier version of the library stored other words."""
    refused = (1, lives.ALICE, "mark_unsent", x.mark(problem=problem))
    assert messages(*lives.sent(), refused)[:2] == [
        "library->>gateway: create the ticket",
        f"gateway-->>library: refused: {problem}",
    ]
    drawn = str(diagram(lives.life(*lives.sent(), refused)))
    assert ("Note that the request was refused" in drawn, "nothing was sent" in drawn) == (True, False)


def test_a_refusal_is_an_answer() -> None:
    """With the look-up that found no ticket."""
    refusal = ev.Refusal(number=1, owner="w1", remote_code=3900010, message="no such user", looked_up=True)
    assert messages(*lives.sent(), (1, lives.GATEWAY, "refuse", refusal)) == [
        "library->>gateway: create the ticket",
        "gateway-->>library: 3900010 no such user",
        "library->>gateway: look up the ticket by its key",
        "gateway-->>library: the gateway has no such ticket",
        "Note over store: Draft",
    ]


def test_a_look_that_was_not_answered_is_broken() -> None:
    """It is known that nothing is known."""
    failed = (15, lives.GATEWAY, "note_lookup", lives.noted(15, answered=False, problem="HTTP 502"))
    assert messages(*lives.unanswered(0), failed)[-1] == ("gateway-xlibrary: the gateway could not be asked: HTTP 502")


def test_a_decision_comes_before_the_callback_about_it() -> None:
    """It is at the ticket system's own time, or before the callbacks if there is no such time."""
    end = [
        f"gateway->>library: callback about {lives.SN}",
        "library->>gateway: read the ticket",
        "gateway-->>library: finished",
        "Note over store: Approved",
    ]
    assert messages(*lives.approved())[-5:] == [
        "approver->>gateway: bob approved it: “disk is big enough” (08:09:12.200)",
        *end,
    ]
    timeless = x.finished(approved=True, sn=lives.SN, deciders=(Decider(user="bob", approved=True),))
    told = messages(*lives.filed(), lives.heard(557), (557.2, lives.GATEWAY, "approve", timeless))
    assert told[-5:] == ["approver->>gateway: bob approved it (08:09:17.000)", *end]


def test_a_decision_is_never_before_the_ticket_is_known() -> None:
    """The ticket system's clock can be an hour slow."""
    early = Decider(user="bob", approved=True, at=x.later(-3600))
    seen = x.finished(approved=True, sn=lives.SN, deciders=(early,))
    told = messages(*lives.filed(), lives.heard(557), (557.2, lives.GATEWAY, "approve", seen))
    assert told[2:4] == ["Note over store: Waiting for approval", "approver->>gateway: bob approved it (07:00:00.000)"]


def test_an_undelivered_callback_is_broken() -> None:
    """The list of the ticket system shows it."""
    told = messages(*lives.filed(), (60, lives.GATEWAY, "fail_callback", ev.Undelivered(sn=lives.SN)))
    assert told[-4:] == [
        f"gateway-xlibrary: callback about {lives.SN}",
        "library->>gateway: list undelivered callbacks",
        f"gateway-->>library: ticket {lives.SN}",
        "Note over store: Callback not delivered",
    ]


def test_an_effect_is_a_call_of_the_host() -> None:
    """Its error is the answer."""
    told = messages(*lives.approved(), lives.started(558, 1), lives.done(559, 1, "disk full"))
    assert told[-2:] == [
        "library->>host: effect start_collection, delivery 1",
        "host-->>library: failed: disk full",
    ]


def test_a_withdrawal_is_a_call_of_the_gateway() -> None:
    """Its unknown result is a broken arrow."""
    wish = (60, "ops", "request_withdrawal", ev.Decision(reason="wrong host"))
    start = ev.EffectStart(effect=WITHDRAW, attempt=1, until=x.later(400), owner="w1")
    unknown = ev.EffectResult(effect=WITHDRAW, attempt=1, error="timeout", withdrawal=ev.Withdrawal.UNKNOWN)
    told = messages(
        *lives.filed(),
        wish,
        (61, lives.WORKER, "start_effect", start),
        (62, lives.WORKER, "fail_effect", unknown),
    )
    assert told[-3:] == [
        "host->>library: ops: Request the withdrawal wrong host",
        "library->>gateway: withdraw the ticket",
        "gateway-xlibrary: failed: timeout",
    ]


def test_attention_is_a_note() -> None:
    """In words, and as a sign in the picture."""
    text = diagram(LIVES["attention"]).mermaid(language="zh")
    assert text.endswith("    Note over store: 待人工处理：未找到单据\n")
    assert "待人工处理：未找到单据" in texts(read(diagram(LIVES["attention"]).svg(language="zh")))


def test_what_people_wrote_stays_one_message_of_mermaid() -> None:
    """Signs of Mermaid and HTML are written as codes; a line feed is a space."""
    form = Form(title='a;b #c <i> %%{x} "q"\nNote over a: b', applicant="alice", approvers=("bob",))
    lines = diagram(lives.life(form=form)).mermaid().splitlines()
    assert lines[1] == r'title: "a;b #c <i> %%{x} \"q\" Note over a: b"'
    wrote = next(line.strip() for line in lines if "Create the draft" in line)
    codes = "a#59;b #35;c #60;i#62; #37;#37;{x} #34;q#34; Note over a: b"
    assert wrote == f"host->>library: alice: Create the draft “{codes}”"
    assert len(lines) == 4 + 5 + 1 + 2 + 1
    path = [attrs.evolve(LIVES["one"][0], actor="a\nend", trigger="b\nloop")]
    assert "    host->>library: a end: b loop “Collect access logs”" in diagram(path).mermaid().splitlines()


def test_wrong_questions_are_refused() -> None:
    """Each message says what there is."""
    one = diagram(LIVES["one"])
    for draw in (one.svg, one.mermaid):
        with pytest.raises(ValueError, match=r"^a picture has no words in 'fr'; its languages are en, zh$"):
            draw(language="fr")
    with pytest.raises(ValueError, match=r"^a sequence diagram has no format 'png'; its formats are mermaid, svg$"):
        format(one, "png")
    with pytest.raises(ValueError, match="with at least one entry"):
        diagram([])


def test_format_and_notebook_draw_the_same() -> None:
    """The text is Mermaid, as that of a graph; a notebook shows the picture."""
    one = diagram(LIVES["approved"])
    assert f"{one:mermaid}" == str(one) == one.mermaid()
    assert f"{one:svg}" == one.svg() + "\n" == one._repr_svg_() + "\n"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_requests_that_are_refused_again_and_again_are_one_loop_each(language: str) -> None:
    """Each request has an id of its own; three of them are shown one by one."""
    for count in (3, 5):
        told: list[Told] = [(0.004, lives.ALICE, "submit", x.submission(number=1))]
        for number in range(count):
            words = f"the gateway answered HTTP 401: App secret wrong (code 1640101, request r{number})"
            refused = x.mark(problem=f"create_ticket: {words}")
            told.append((60 * number + 1, lives.WORKER, "mark_sending", x.mark()))
            told.append((60 * number + 2, lives.WORKER, "mark_unsent", refused))
        text = diagram(lives.life(*told)).mermaid(language=language)
        assert text.count("    loop 5 ") == (2 if count == 5 else 0)
        assert text.count("App secret wrong") == (1 if count == 5 else 3)
        assert ("request r1" in text) == (count == 3)


def test_requests_with_different_problems_are_no_loop() -> None:
    """Only the ids are left out of the comparison."""
    told: list[Told] = [(0.004, lives.ALICE, "submit", x.submission(number=1))]
    for number in range(6):
        told.append((60 * number + 1, lives.WORKER, "mark_sending", x.mark()))
        told.append((60 * number + 2, lives.WORKER, "mark_unsent", x.mark(problem=f"no such host {number}")))
    assert "loop" not in diagram(lives.life(*told)).mermaid()
