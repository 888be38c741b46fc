"""The command ``demo``."""

from __future__ import annotations

import functools
import html
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from rich.cells import cell_len

from itsm_workflow import demo
from itsm_workflow.change import Attention, AttentionReason, Outcome
from itsm_workflow.demo import report
from itsm_workflow.demo.host import POLICY
from itsm_workflow.demo.scenarios import SCENARIOS
from itsm_workflow.demo.words import WORDS, end_in, scenario_in, state_in
from itsm_workflow.machine.approval import State
from tests.integration.cli.test_language import CHINESE, english_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from itsm_workflow.demo.scenarios import Scenario
    from itsm_workflow.demo.stage import Ask, Stage
    from tests.integration.cli.office import Office

NAMED = {"nginx", "worker", "callback", "liuwei", "zhangmin", "carol", "svg", "why", "history", "graph", "web", "kept"}
"""Names in the demonstration's output that stay as they are: a title's, people, actors, commands, a folder."""
WRITTEN = re.compile(r"create_ticket.*HTTP 502（请求 [0-9a-f]+）|the proxy's log .*|NotStartedError: .*")
"""What the connection, an operator and the host wrote into histories, which is shown as it is."""
TYPED = {field.name for field in attrs.fields(type(POLICY))}
"""The names of timings, which a host writes in its `Policy`."""


def words_of(lines: Iterable[str]) -> list[str]:
    """Return the English words of lines, without names."""
    text = re.sub(r"\bdemo[0-9A-Z]{26}\b|\S*itsm-workflow\S* |\d+/\d+", " ", "\n".join(lines))
    return [word for word in english_in(text) if word not in NAMED | TYPED]


def some_scenarios(monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str, ...]]) -> None:
    """Let the command run an approval, a refusal, a withdrawal, a resend and a failing effect; note all histories."""

    def note_all(stage: Stage, driven: Callable[[Stage, Ask], object], ask: Ask) -> None:
        driven(stage, ask)
        change = stage.until_ended(ask)
        seen.extend(report.history_rows(stage.workflow.history(change.id), "zh"))

    def noting(driven: Callable[[Stage, Ask], object]) -> Callable[[Stage, Ask], object]:
        return lambda stage, ask: note_all(stage, driven, ask)

    names = {"second approver", "withdrawn there", "create never arrived", "callback lost", "effect fails once"}
    chosen = [attrs.evolve(one, drive=noting(one.drive)) for one in SCENARIOS if one.name in names]
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=chosen))


def test_the_demonstration_is_run_and_its_figures_are_json(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines go to standard error then, and its folder and exit code are as asked."""
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=SCENARIOS[:1]))
    done = office.run("demo", "--folder", "kept", "--json")
    assert done.code == 0, done.err
    assert (done.json["requests"], done.json["duplicate_tickets"]) == (1, 0)
    assert "1 request = 1 approved" in done.err
    again = office.run("demo", "--folder", "kept")
    assert again.code == 2
    assert "starts with an empty store" in again.err
    assert "演示要从空的存储开始" in office.run("demo", "--folder", "kept", "--language", "zh").err


@pytest.mark.long
def test_the_demonstration_is_in_the_language_of_the_locale(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line, every entry of a history, the page and the picture: only names are not Chinese."""
    rows: list[tuple[str, ...]] = []
    some_scenarios(monkeypatch, rows)
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    done = office.run("demo", "--folder", "kept", "-v")
    lines = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert words_of(lines) == []
    assert words_of(WRITTEN.sub("", cell) for row in rows for cell in row) == []
    assert any(line.startswith("5 个变更请求 = 4 已通过 + 1 已撤销；5 个关联键对应 5 张单据，重复 0") for line in lines)
    assert "自己查看存储：" in lines
    wide = [line for line in lines if "/" not in line and "个关联键" not in line and cell_len(line) > report.WIDTH]
    assert wide == []

    page = (Path(office.folder) / "kept" / "demo.html").read_text(encoding="utf-8")
    drawn = (Path(office.folder) / "kept" / "collector-01.svg").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<style>.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert '<html lang="zh-CN">' in page
    assert drawn in page
    assert words_of([text]) == []
    assert all(word in drawn for word in ("审批中", "审批通过", "蓝色：变更的路径"))
    assert "Approve" not in re.sub("ApprovalAttested", "", drawn)


def test_a_language_that_was_typed_decides(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """English in a Chinese locale, and Chinese in another one; figures for programs are the same in both."""
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=SCENARIOS[:1]))
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    english = office.run("demo", "--language", "en")
    assert not CHINESE.search(re.sub("接入 nginx 访问日志", "", english.out))
    assert "[1/1]  approved                approved    a callback is a hint; the ticket decides" in english.out
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    chinese = office.run("demo", "--json", "--language", "zh")
    assert "[1/1]  审批通过                已通过      回调只是提示，以单据为准" in chinese.err
    assert chinese.json["by_state"] == {"approved": 1}


@pytest.mark.parametrize("missing", ["", "flask", "waitress"])
def test_the_last_command_to_type_opens_the_console_if_it_is_installed(
    office: Office, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Otherwise it would fail."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    monkeypatch.setattr(demo, "run", functools.partial(demo.run, scenarios=SCENARIOS[:1]))
    typed = [line.split()[1] for line in office.run("demo").out.splitlines() if " --store " in line]
    assert typed == ["list", "why", "history", "graph", *([] if missing else ["web"])]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_every_scenario_has_chinese_words_that_fit_their_columns(scenario: Scenario) -> None:
    """A name takes at most 22 columns of a terminal, what it shows 48, so that nothing is cut."""
    name, shows = scenario_in("zh", scenario.name), scenario_in("zh", scenario.shows)
    assert CHINESE.search(name)
    assert CHINESE.search(shows)
    assert cell_len(name) <= 22
    assert cell_len(shows) <= 48


def test_every_end_and_state_has_a_chinese_name() -> None:
    """A name that is unknown is shown as it is."""
    assert [one for one in (*Outcome, *State) if not CHINESE.search(end_in("zh", one))] == []
    assert state_in("zh", State.FAILED_CALLBACK) == "回调失败"
    assert (state_in("zh", "elsewhere"), state_in("zh", "")) == ("elsewhere", "")


def test_every_text_has_the_same_values_in_both_languages() -> None:
    """No value is lost."""
    value = re.compile(r"\{(\w+)\}")
    assert [
        code for code, text in WORDS.items() if sorted(value.findall(text["zh"])) != sorted(value.findall(text["en"]))
    ] == []


def test_a_change_that_needs_a_person_or_was_not_stored_is_listed(tmp_path: Path) -> None:
    """By the code of its reason in English, by its label in Chinese."""
    change = demo.run(folder=tmp_path, show=lambda _: None, scenarios=SCENARIOS[:1]).endings[0].change
    assert change is not None
    needy = attrs.evolve(change, attention=Attention(reason=AttentionReason.DISAGREEMENT, since=change.created_at))
    shown = {
        language: list(report.overview([("approved", needy, ""), ("rejected", None, "collector-04")], language))
        for language in ("en", "zh")
    }
    assert [line.split()[-1] for line in shown["en"][3:4]] == ["disagreement"]
    assert [line.split()[-1] for line in shown["zh"][3:4]] == ["单据事实相互矛盾"]
    assert "not stored" in shown["en"][4]
    assert "未保存" in shown["zh"][4]
