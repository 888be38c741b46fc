"""The command that diagnoses settings, store, gateway and callback."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import rich_click as click

from itsm_workflow.cli.doctor_phrases import SETTINGS
from itsm_workflow.cli.exits import Exit
from itsm_workflow.cli.language import language, spoken
from itsm_workflow.cli.output import as_json, clean, data, note
from itsm_workflow.cli.places import store_option
from itsm_workflow.cli.show import json_option
from itsm_workflow.doctor import Level, examine
from itsm_workflow.machine.phrases import Phrasebook

if TYPE_CHECKING:
    from itsm_workflow.doctor import Finding
    from itsm_workflow.secrets import SecretURL

_MARKS = {
    "en": {Level.OK: "ok     ", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"},
    "zh": {Level.OK: "正常   ", Level.WARNING: "警告   ", Level.PROBLEM: "问题   "},
}
"""By language, the word for each level, as wide as the longest English one: a Chinese character takes two columns."""
_SETTINGS = Phrasebook(SETTINGS)
_NAME_WIDTH = 26
_INDENT = " " * (len("warning") + 2)


@click.command()
@click.option("--online", is_flag=True, help="Ask the gateway as well; without it nothing leaves this machine.")
@click.option("--callback", is_flag=True, help="With --online: call the callback address as BK-ITSM does.")
@store_option
@json_option
def doctor(store: SecretURL, *, online: bool, callback: bool, in_json: bool) -> Exit:
    """Check settings, store, gateway and callback, and print advice. Changes nothing."""
    if callback and not online:
        raise click.UsageError("--callback calls an address: give --online as well")
    found = []
    for finding in examine(os.environ, store=store, online=online, callback=callback):
        found.append(finding)
        if not in_json:
            _print(finding)
    if in_json:
        as_json([attrs.asdict(finding) for finding in found])
    levels = Counter(finding.level for finding in found)
    note(f"problems {levels[Level.PROBLEM]}, warnings {levels[Level.WARNING]}, ok {levels[Level.OK]}")
    return Exit.FAILED if levels[Level.PROBLEM] else Exit.DONE


def _seen(finding: Finding) -> str:
    known = spoken(finding.seen)
    is_setting = finding.name.startswith("settings.") and language() != "en"
    return _SETTINGS.in_chinese(finding.seen) if is_setting and known == finding.seen else known


def _print(finding: Finding) -> None:
    data(f"{_MARKS[language()][finding.level]}  {clean(finding.name):<{_NAME_WIDTH}}  {clean(_seen(finding))}")
    if finding.advice:
        data(f"{_INDENT}{'':<{_NAME_WIDTH}}  → {clean(spoken(finding.advice))}")
