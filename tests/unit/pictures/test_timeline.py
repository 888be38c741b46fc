"""The timeline of a change, drawn from its history."""

from __future__ import annotations

import copy
import datetime as dt
import re
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import AttentionReason, Decider, Form
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.pictures import SequenceDiagram, Timeline
from itsm_workflow.pictures.measure import columns_of
from itsm_workflow.pictures.words import facts_of
from itsm_workflow.policy import Policy
from tests.support import examples as x
from tests.support import lives
from tests.support.lives import LIVES
from tests.unit.pictures.drawing import SVG, outside, read, texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree import ElementTree as ET

    from itsm_workflow.change import Entry

CHINA = dt.timezone(dt.timedelta(hours=8))


def drawn(path: Sequence[Entry], language: str = "en", zone: dt.tzinfo = dt.UTC) -> ET.Element:
    """Return the picture, which a browser reads also as a file of its own."""
    return read(Timeline(definition=COLLECTOR_CHANGE, path=path).svg(language=language, zone=zone))


def lanes(root: ET.Element) -> list[str]:
    """Return the lane of each row, from top to bottom."""
    return [
        each.attrib["class"].removeprefix("itsm-entry itsm-")
        for each in root.iter(f"{SVG}g")
        if each.attrib["class"].startswith("itsm-entry")
    ]


def states(root: ET.Element) -> list[str]:
    """Return the label of each bar, from top to bottom; the current one has a star."""
    return [
        "".join("".join(line.itertext()) for line in each.iter(f"{SVG}text"))
        + ("*" if "itsm-current" in each.attrib["class"] else "")
        for each in root.iter(f"{SVG}g")
        if each.attrib["class"].startswith("itsm-state")
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", LIVES.values(), ids=LIVES)
def test_every_life_is_drawn_within_its_frame(path: Sequence[Entry], language: str) -> None:
    """No text leaves the picture, and the same history gives the same bytes."""
    timeline = Timeline(definition=COLLECTOR_CHANGE, path=path)
    assert timeline.svg(language=language) == Timeline(definition=COLLECTOR_CHANGE, path=copy.deepcopy(path)).svg(
        language=language
    )
    assert outside(drawn(path, language)) == []


def test_every_entry_is_in_the_lane_of_its_subject() -> None:
    """With the states beside them, from the draft to the current one."""
    root = drawn(LIVES["effect"])
    assert lanes(root) == ["people"] * 2 + ["request"] * 2 + ["callbacks", "looks"] + ["effects"] * 6
    assert states(root) == ["Draft", "Filing the ticket", "Waiting forapproval", "Approved*"]


def test_the_first_lines_say_what_was_asked_and_where_it_stands() -> None:
    """In words, also for readers who do not see the picture."""
    root = drawn(LIVES["rejected"])
    head = texts(root)[:3]
    assert head == [
        "Collect access logs",
        "Not approved (refused), since 2024-05-18 09:00:00 UTC",
        f"{x.ID} · ticket {lives.SN} · applicant alice",
    ]
    assert root.attrib["aria-label"] == ". ".join(head)


def test_an_approver_is_named_beside_the_look_that_found_the_decision() -> None:
    """With the remark, as it was written."""
    told = texts(drawn(LIVES["rejected"]))
    assert "bob" in told
    joined = " ".join(told)
    assert "bob refused it: “The disk of host 10.0.0.7 is too small for 30 days; ask" in joined


def test_a_long_gap_is_left_out_and_named() -> None:
    """A minute or less is not; a day has its date and zone."""
    told = texts(drawn(LIVES["rejected"]))
    assert [line for line in told if line.endswith(" later")] == ["1 d 0 h later"]
    assert [line for line in told if line.endswith(" UTC") and "," not in line] == ["2024-05-17 UTC", "2024-05-18 UTC"]
    minute = lives.life(*lives.filed(), lives.heard(60.31), lives.heard(120.32, "2"))
    assert [line for line in texts(drawn(minute)) if line.endswith(" later")] == ["1 min 0 s later"]


def test_times_are_those_of_the_zone_to_the_millisecond() -> None:
    """So that entries of the same second are told apart."""
    told = texts(drawn(LIVES["approved"], zone=CHINA))
    assert "2024-05-17 UTC+08:00" in told
    assert [line for line in told if line.startswith("16:00:00.")] == [
        "16:00:00.000",
        "16:00:00.004",
        "16:00:00.006",
        "16:00:00.310",
    ]


def test_attention_is_shown_from_its_beginning_to_its_end() -> None:
    """The look-up that ended the schedule raised it; a ticket that is found later clears it."""
    raised = LIVES["attention"]
    root = drawn(raised)
    assert "Needs a person: Ticket not found" in texts(root)
    assert texts(root)[1].endswith(" · Needs a person: Ticket not found")
    found = (5000, lives.GATEWAY, "record_ticket", x.confirmed(sn=lives.SN, channel=ev.Channel.LOOKUP))
    later = drawn(lives.life(*lives.unanswered(8), found))
    assert "No longer needs a person" in texts(later)
    assert "person" not in texts(later)[1]

    def bars(one: ET.Element) -> int:
        return sum(each.attrib["class"] == "itsm-attention" for each in one.iter(f"{SVG}g"))

    assert (bars(root), bars(later), bars(drawn(LIVES["approved"]))) == (1, 1, 0)


def test_an_effect_that_failed_too_often_needs_a_person() -> None:
    """The effects are those that the history planned, which the definition does not name."""
    tries = range(1, x.POLICY.effect_attempts + 1)
    failed = [
        part for n in tries for part in (lives.started(10_000 * n, n), lives.done(10_000 * n + 1, n, "disk full"))
    ]
    path = lives.life(*lives.approved(), *failed)
    assert texts(drawn(path))[1].endswith(" · Needs a person: Effect parked")
    assert "Needs a person" not in texts(drawn(path[:-1]))[1]


def test_attention_depends_on_the_timings_with_which_the_history_was_written() -> None:
    """A longer schedule of look-ups had not ended."""
    path, patient = LIVES["attention"], Policy(lookups=(*x.POLICY.lookups, dt.timedelta(days=1)))
    assert "Needs a person" in Timeline(definition=COLLECTOR_CHANGE, path=path).svg()
    assert "Needs a person" not in Timeline(definition=COLLECTOR_CHANGE, path=path, policy=patient).svg()


def test_a_run_of_entries_that_say_the_same_is_one_row() -> None:
    """The last look, which raised attention, says something else."""
    told = texts(drawn(LIVES["attention"]))
    assert "×6" in told
    assert "… 5 more like this, until 08:06:51 (up to #10)" in told
    assert lanes(drawn(LIVES["attention"])).count("looks") == 2
    assert lanes(drawn(LIVES["unanswered"])).count("looks") == 4


def test_sixty_entries_have_sixty_rows() -> None:
    """None is left out, and the label of a long state is repeated."""
    root = drawn(LIVES["long"])
    assert len(LIVES["long"]) == len(lanes(root)) == 60
    assert texts(root).count("approval") > 1


def test_what_people_wrote_cannot_become_an_element() -> None:
    """Nor make the picture unreadable."""
    form = Form(title="</text><script>1</script>\x1b&", applicant="alice", approvers=("bob",))
    root = drawn(lives.life(form=form))
    assert texts(root)[0] == "</text><script>1</script> &"
    assert not list(root.iter(f"{SVG}script"))


def test_the_entries_of_another_version_are_drawn() -> None:
    """Their trigger, state and evidence are unknown here."""
    path = list(LIVES["approved"])
    path[4] = attrs.evolve(path[4], trigger="go_live", actor="ops", evidence={"hosts": ["a", "b"], "dry": True})
    path.append(attrs.evolve(path[-1], seq=9, source="approved", dest="verified", trigger="check", evidence=None))
    told = texts(drawn(path))
    assert "go livehosts: a, b; dry: yes" in told
    assert "check" in told
    assert states(drawn(path))[-1] == "verified*"


@attrs.frozen(kw_only=True)
class Cleared:
    """The evidence of a host, which holds what it should not have stored."""

    api_token: str = ""
    pin_password: int = 0
    sinks: tuple[dict[str, object], ...] = ()
    place: str = ""
    callback_url: str = ""
    is_dry: bool = False


SECRET_FACTS = (
    Cleared(
        api_token="s3cr3t", pin_password=53637237, sinks=({"password": "s3cr3t", "host": "kafka-1"},), place="index"
    ),
    {
        "access_token": "s3cr3t",
        "PIN_PASSWORD": 53637237,
        "deep": {"list": [{"secret": "s3cr3t"}]},
        "callback_url": "https://host/s3cr3t",
    },
    ev.Concern(reason=AttentionReason.HOST, facts={"access_token": "s3cr3t", "place": "index"}),
)


@pytest.mark.parametrize("evidence", SECRET_FACTS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("kind", [Timeline, SequenceDiagram])
def test_secrets_in_the_evidence_of_a_host_are_masked(evidence: object, kind: type[Timeline | SequenceDiagram]) -> None:
    """By the name of their key, at any depth, as in the log; in each form of the picture."""
    path = list(LIVES["approved"])
    path[4] = attrs.evolve(path[4], trigger="go_live", actor="ops", evidence=evidence)
    picture = kind(definition=COLLECTOR_CHANGE, path=path)
    forms = ["svg", "terminal"] if kind is Timeline else ["svg", "mermaid"]
    for text in [format(picture, one) for one in forms]:
        assert "***" in text
        assert "s3cr3t" not in text
        assert "53637237" not in text


def test_a_fact_with_its_default_says_nothing() -> None:
    """As on the pages of the Django admin."""
    assert list(facts_of(Cleared(place="index", sinks=({"a": 1, "b": "x"},)), "en")) == [
        ("sinks", "a=1, b=x"),
        ("place", "index"),
    ]


def test_a_move_by_an_unknown_trigger_still_leads_where_it_led() -> None:
    """Another version wrote it, and this one draws the state that is in the entry."""
    path = list(LIVES["approved"])
    path[5] = attrs.evolve(path[5], trigger="approve_later")
    assert states(drawn(path))[-1] == "Approved*"


def test_wrong_questions_are_refused() -> None:
    """Each message says what there is."""
    timeline = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["one"])
    with pytest.raises(ValueError, match=r"^a picture has no words in 'fr'; its languages are en, zh$"):
        timeline.svg(language="fr")
    with pytest.raises(ValueError, match=r"^a timeline has no format 'png'; its formats are svg, terminal$"):
        format(timeline, "png")
    with pytest.raises(ValueError, match=r"^a picture of a change needs its history, with at least one entry$"):
        Timeline(definition=COLLECTOR_CHANGE, path=[])


def test_format_and_notebook_draw_the_same() -> None:
    """In English and UTC."""
    timeline = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["approved"])
    assert f"{timeline:svg}" == str(timeline) == timeline.svg() + "\n" == timeline._repr_svg_() + "\n"


def test_a_decision_is_told_once() -> None:
    """A later look that shows it again does not draw the person again."""
    carol = Decider(user="carol", approved=True, remark="fine", at=x.later(10))
    seen = x.withdrawn(sn=lives.SN, deciders=(carol,)), x.snapshot(sn=lives.SN, deciders=(carol,))
    path = lives.life(*lives.filed(), (20, "gateway", "suspect_ending", seen[0]), (30, "gateway", "resume", seen[1]))
    told = texts(drawn(path))
    assert told.count("carol") == 1
    assert sum("carol approved it: “fine”" in line for line in told) == 1


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", LIVES)
def test_a_terminal_shows_the_timeline_in_lines_that_fit(name: str, language: str) -> None:
    """Each move with the state that was entered."""
    timeline = Timeline(definition=COLLECTOR_CHANGE, path=LIVES[name])
    lines = timeline.terminal(language=language, columns=60).splitlines()
    assert max(map(columns_of, lines)) <= 60
    moves = [entry for entry in LIVES[name] if entry.source != entry.dest]
    assert sum("━━▶" in line for line in lines) == len(moves)


def test_a_terminal_shows_what_the_picture_shows() -> None:
    """Times, gaps, runs, states, people and attention."""
    text = f"{Timeline(definition=COLLECTOR_CHANGE, path=LIVES['attention']):terminal}"
    assert "08:00:00.004  #2 alice · Submit\n              ━━▶ Filing the ticket\n" in text
    assert re.search(r"… \d more like this, until ", text)
    assert "              ! Needs a person: Ticket not found\n" in text
    timeline = Timeline(definition=COLLECTOR_CHANGE, path=LIVES["one"])
    assert timeline._repr_mimebundle_() == {"image/svg+xml": timeline.svg(), "text/plain": f"{timeline:terminal}"}
