"""The sequence diagram as Mermaid text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from itsm_workflow.pictures import times
from itsm_workflow.pictures.exchange import Kind, Party
from itsm_workflow.pictures.measure import visible
from itsm_workflow.pictures.summary import summary
from itsm_workflow.pictures.words import attention_text, duration_text, phrase

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.pictures.exchange import Block
    from itsm_workflow.pictures.reading import Step

_ARROWS: Mapping[Kind, str] = {Kind.CALL: "->>", Kind.ANSWER: "-->>", Kind.LOST: "-x"}
_CODES = {ord(sign): f"#{ord(sign)};" for sign in '#;%<>&"`'}
"""Signs that mean something to Mermaid or to HTML, as the codes that Mermaid draws as these signs."""


def mermaid(steps: Sequence[Step], blocks: Sequence[Block], *, language: str, zone: dt.tzinfo) -> str:
    """Return the text of a change's messages."""
    lines = ["---", f"title: {json.dumps(summary(steps, language, zone)[0], ensure_ascii=False)}", "---"]
    lines.append("sequenceDiagram")
    lines += [f"    participant {party} as {phrase(party, language)}" for party in Party]
    day, last = "", blocks[0].at
    for block in blocks:
        today = f"{times.day(block.at, zone)} {times.zone_of(block.at, zone)}"
        if block.at - last > times.LONG:
            lines.append(_note("host,approver", phrase("later", language, duration_text(block.at - last, language))))
        if today != day:
            lines.append(_note("host,approver", today))
        lines += _lines(block, language, zone)
        day, last = today, block.step.last.at if block.step else block.at
    return "\n".join(lines) + "\n"


def _lines(block: Block, language: str, zone: dt.tzinfo) -> Iterator[str]:
    step, time = block.step, times.second(block.at, zone) + times.fraction(block.at)
    indent = "    "
    if step is not None and step.count > 1:
        yield f"{indent}loop {_words(phrase('times', language, step.count, times.second(step.last.at, zone)))}"
        indent *= 2
    for message in block.messages:
        is_dated = message.dest is Party.STORE or step is None
        words = _words(f"{message.words} ({time})" if is_dated else message.words)
        yield f"{indent}{message.source}{_ARROWS[message.kind]}{message.dest}: {words}"
    if step is not None and step.count > 1:
        yield "    end"
    if step is not None and step.is_move:
        yield _note(Party.STORE, step.state)
    if step is not None and step.changes_attention:
        yield _note(Party.STORE, attention_text(step.after, language))


def _note(over: str, words: str) -> str:
    return f"    Note over {over}: {_words(words)}"


def _words(text: str) -> str:
    return visible(text).translate(_CODES)
