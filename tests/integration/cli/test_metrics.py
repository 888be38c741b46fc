"""The command that prints figures for monitoring."""

from __future__ import annotations

import sqlite3
import stat
import sys
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.office import Office


def values(text: str) -> dict[tuple[str, ...], float]:
    """Return the values that were printed for the shipped workflow, by the name and the value of a further label."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            assert sample.labels.pop("workflow") == "collector_change"
            found[sample.name.removeprefix("itsm_workflow_"), *sample.labels.values()] = sample.value
    return found


def test_figures_are_printed_from_the_store_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the gateway is needed."""
    office.apply("collector-42")
    for name in ("BKAPP_ITSM_APP_CODE", "BKAPP_ITSM_APP_SECRET", "BKAPP_ITSM_GATEWAY_URL", "BKAPP_ITSM_WORKFLOW_APP"):
        monkeypatch.delenv(name)

    done = office.run("metrics")
    printed = values(done.out)
    assert (done.code, done.err) == (0, "")
    assert printed["changes", "pending"] == 1
    assert printed["attention_changes", "overdue"] == 0
    assert printed["capped_counts",] == 0


def test_a_file_is_replaced_in_one_step(office: Office) -> None:
    """A reader finds the old content or the new one, another user may read it, and no other file is left."""
    target = office.folder / "itsm.prom"
    target.write_text("old", encoding="utf-8")
    before = target.stat().st_ino
    office.apply("collector-42")

    done = office.run("metrics", "-o", str(target))
    assert (done.code, done.out) == (0, "")
    assert values(target.read_text(encoding="utf-8"))["changes", "pending"] == 1
    assert target.read_bytes().endswith(b"\n")
    assert target.stat().st_ino != before
    assert target.stat().st_mode & stat.S_IRGRP
    assert [path.name for path in office.folder.glob("itsm.prom*")] == ["itsm.prom"]


def test_a_file_that_cannot_be_written_is_named(office: Office) -> None:
    """And nothing else is left in the folder."""
    office.apply("collector-42")
    done = office.run("metrics", "-o", str(office.folder / "absent" / "itsm.prom"))
    assert done.code == 1
    assert "itsm.prom" in done.err


def test_counts_stop_at_the_limit(office: Office) -> None:
    """And the output says so."""
    for number in range(2):
        office.apply(f"collector-{number}")
    printed = values(office.run("metrics", "--limit", "1").out)
    assert printed["changes", "pending"] == 1
    assert printed["capped_counts",] == 1


def test_json_has_the_same_figures_without_the_extra(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text format needs the package, and the error says what to install."""
    office.apply("collector-42")
    monkeypatch.delitem(sys.modules, "itsm_workflow.integrations.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)

    figures = office.run("metrics", "--json").json
    assert figures["workflow"] == "collector_change"
    assert figures["figures"]["states"]["pending"] == 1
    assert figures["figures"]["earliest_due"].endswith("Z")
    refused = office.run("metrics")
    assert refused.code == 2
    assert "pip install 'itsm-workflow[metrics]'" in refused.err


def test_a_change_that_cannot_be_read_is_reported(office: Office) -> None:
    """The other figures are printed."""
    office.apply("collector-42")
    office.apply("collector-43")
    with sqlite3.connect(office.folder / "changes.db") as connection:
        connection.execute("UPDATE changes SET document = '{}' WHERE subject = 'collector-42'")
    connection.close()

    done = office.run("metrics")
    assert done.code == 5
    assert "1 of the changes cannot be read" in done.err
    assert values(done.out)["unreadable_changes",] == 1
    assert values(done.out)["changes", "pending"] == 2


def test_no_store_is_made(office: Office) -> None:
    """A typing error in its name would look like an empty store."""
    done = office.run("metrics", "--store", f"sqlite:///{office.folder / 'absent.db'}")
    assert done.code == 4
    assert not (office.folder / "absent.db").exists()
