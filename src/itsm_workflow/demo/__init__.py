"""The demonstration: twenty changes against a stand-in of BK-ITSM, with faults injected, and an audit.

HTTP, processes and store are real; only the timings are short. ``itsm-workflow demo`` runs it.
"""

from __future__ import annotations

import pathlib
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.audit import AuditReport, audit
from itsm_workflow.change import Outcome
from itsm_workflow.demo import report
from itsm_workflow.demo.host import EFFECTS, POLICY
from itsm_workflow.demo.page import Line, Spotlight, write_page
from itsm_workflow.demo.scenarios import SCENARIOS, Scenario
from itsm_workflow.demo.stage import Ask, NotAsExpectedError, Stage, expect
from itsm_workflow.demo.words import end_in, scenario_in, words_in
from itsm_workflow.errors import ItsmWorkflowError
from itsm_workflow.machine.approval import State
from itsm_workflow.sandbox import Refusal
from itsm_workflow.storage.registry import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from itsm_workflow.change import ChangeRequest

__all__ = ["SEED", "run"]

SEED = 20261125
SPOTLIGHT = "kill -9"
"""The scenario whose history and path are shown."""

_LOGS = (
    *("nginx 访问日志", "订单服务日志", "支付网关日志", "MySQL 慢查询", "Kafka 审计日志", "登录审计", "搜索服务日志"),
    *("推荐引擎日志", "短信网关日志", "容器标准输出", "Redis 慢日志", "防火墙日志", "CDN 回源日志", "库存服务日志"),
    *("消息推送日志", "JVM 垃圾回收", "DNS 查询日志", "网关错误日志", "定时任务日志", "主机系统日志"),
)
_APPLICANTS = ("alice", "liuwei", "zhangmin")
_APPROVERS = ("bob", "carol")
_SETBACKS = (
    *(NotAsExpectedError, ItsmWorkflowError, Refusal),
    *(TimeoutError, LookupError, ValueError, OSError, subprocess.SubprocessError),
)


@attrs.frozen(kw_only=True)
class Ending:
    """The end of one change.

    Attributes:
        change: The change as it was stored in the end; None if it was never stored.
        problem: The difference from what the scenario expects; empty if it ended as expected.
        seconds: The time it took.
    """

    scenario: Scenario
    ask: Ask
    change: ChangeRequest | None
    problem: str
    seconds: float


@attrs.frozen(kw_only=True)
class DemoResult:
    """The result of the demonstration.

    Attributes:
        store: The URL of the store, which is kept.
        page: The page of the run, beside the store.
    """

    endings: tuple[Ending, ...]
    audit: AuditReport
    seconds: float
    store: str
    page: pathlib.Path

    @property
    def problems(self) -> tuple[str, ...]:
        """The changes that did not end as their scenario expects."""
        return tuple(f"{one.ask.subject} ({one.scenario.name}): {one.problem}" for one in self.endings if one.problem)

    @property
    def exit_code(self) -> int:
        """0 if every change ended as its scenario expects and the audit found nothing, else 1."""
        return 0 if self.audit.ok and not self.problems else 1

    def as_json(self) -> dict[str, object]:
        """Return the audit's figures as a JSON object."""
        return {
            "requests": self.audit.requests,
            "by_state": dict(self.audit.by_state),
            "tickets_created": self.audit.tickets_created,
            "duplicate_tickets": self.audit.duplicate_tickets,
            "lost_requests": self.audit.lost_requests,
            "illegal_transitions": self.audit.illegal_transitions,
            "effects_delivered": self.audit.effects_delivered,
            "effects_expected": self.audit.effects_expected,
            "forged_accepted": self.audit.forged_accepted,
            "seconds": round(self.seconds, 3),
            "store": self.store,
            "page": str(self.page),
        }


def run(
    *,
    folder: pathlib.Path | None = None,
    seed: int = SEED,
    show: Callable[[str], object],
    verbose: bool = False,
    language: str = "en",
    scenarios: Sequence[Scenario] = SCENARIOS,
    before_audit: Callable[[Stage], object] | None = None,
) -> DemoResult:
    """Drive the changes, show their progress, audit the result, and write a page of it beside the store.

    Args:
        folder: The folder of the store and the host's log; by default a new temporary folder. It is kept.
        seed: The seed of ids, and of the stand-in's random choices.
        show: Called with each line to show.
        verbose: Whether to show timings, and the ids and tickets of all changes.
        language: The language of the lines, the page and the picture, ``zh`` or ``en``. What went wrong is in English.
        scenarios: The scenarios to drive, in order.
        before_audit: Called after the host has stopped and before the audit starts.

    Raises:
        FileExistsError: The folder already holds a store.
    """
    began = time.monotonic()
    folder = folder or pathlib.Path(tempfile.mkdtemp(prefix="itsm-workflow-demo-"))
    with Stage(folder=folder, seed=seed) as stage:
        opening = report.opening(
            requests=len(scenarios),
            gateway=stage.sandbox.url,
            callbacks=stage.callback_server.url,
            store=stage.store,
            language=language,
        )
        _show_all(show, opening)
        _show_all(show, report.timings(POLICY, language) if verbose else ())
        endings = []
        for number, scenario in enumerate(scenarios, start=1):
            ending = _play(stage, scenario, _ask(number))
            endings.append(ending)
            show(_progress(number, len(scenarios), ending, language, verbose=verbose))
        show("")
        if verbose:
            changes = [(one.scenario.name, one.change, one.ask.subject) for one in endings]
            _show_all(show, report.overview(changes, language))
        spotlight = _spotlight(stage, endings, language)
        if spotlight is not None:
            _show_all(show, report.history(spotlight.change, spotlight.scenario, spotlight.entries, language))
        stage.silence()
        if before_audit is not None:
            before_audit(stage)
        found = _audit(stage)
        seconds = time.monotonic() - began
        lines = [_line(ending, language) for ending in endings]
        page = write_page(folder, lines=lines, spotlight=spotlight, audit=found, store=stage.store, language=language)
        result = DemoResult(endings=tuple(endings), audit=found, seconds=seconds, store=stage.store, page=page)
    ended = report.closing(
        found, result.problems, seconds=seconds, store=result.store, page=str(page), language=language
    )
    _show_all(show, ended)
    return result


def _ask(number: int) -> Ask:
    return Ask(
        subject=f"collector-{number:02}",
        title=f"接入 {_LOGS[(number - 1) % len(_LOGS)]}",
        applicant=_APPLICANTS[number % len(_APPLICANTS)],
        approvers=_APPROVERS,
    )


def _play(stage: Stage, scenario: Scenario, ask: Ask) -> Ending:
    began, problem = time.monotonic(), ""
    try:
        scenario.drive(stage, ask)
        _check(scenario, stage.until_ended(ask))
    except _SETBACKS as error:
        problem = f"{type(error).__name__}: {error}"
    # A scenario that failed half-way may have left a fault armed, which must not hit the next scenario.
    stage.sandbox.faults.clear()
    change = next(iter(stage.workflow.find(subject=ask.subject)), None)
    return Ending(scenario=scenario, ask=ask, change=change, problem=problem, seconds=time.monotonic() - began)


def _check(scenario: Scenario, change: ChangeRequest) -> None:
    state = State.APPROVED if scenario.ending is Outcome.APPROVED else State.REJECTED
    actual = (change.state, change.outcome, change.attention)
    expect(actual == (state, scenario.ending, None), f"{state}, {scenario.ending}, no attention; it is {actual}")


def _audit(stage: Stage) -> AuditReport:
    storage = open_storage(stage.store)
    try:
        return audit(
            storage,
            stage.sandbox,
            asked=stage.asked,
            effects_expected=EFFECTS,
            deliveries=stage.deliveries.read(),
            forged=stage.forged,
        )
    finally:
        storage.close()


def _progress(number: int, of: int, ending: Ending, language: str, *, verbose: bool) -> str:
    line = _line(ending, language)
    shows = f"! {line.problem}" if line.problem else line.shows
    took = words_in(language, "seconds", number=f"{ending.seconds:4.1f}") if verbose else ""
    return report.progress(number, of, scenario=line.scenario, ended=line.ended, shows=shows, took=took)


def _line(ending: Ending, language: str) -> Line:
    change = ending.change
    ended = "" if change is None else str(change.outcome or change.state)
    return Line(
        subject=ending.ask.subject,
        scenario=scenario_in(language, ending.scenario.name),
        shows=scenario_in(language, ending.scenario.shows),
        ended=end_in(language, ended) if ended else words_in(language, "not_stored"),
        problem=ending.problem,
    )


def _spotlight(stage: Stage, endings: Sequence[Ending], language: str) -> Spotlight | None:
    """Return the history and the picture of one change; None if that was not stored."""
    one = min(endings, key=lambda ending: ending.scenario.name != SPOTLIGHT)
    if one.change is None:
        return None
    return Spotlight(
        scenario=scenario_in(language, one.scenario.name),
        change=one.change,
        entries=stage.workflow.history(one.change.id),
        picture=stage.workflow.graph(one.change.id).svg(language=language) + "\n",
    )


def _show_all(show: Callable[[str], object], lines: Iterable[str]) -> None:
    for line in lines:
        show(line)
