"""The examples that stand below the help of each command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich_click as click

_OPERATOR = "--actor li_si"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "list": ("list --attention", "list --state pending --older-than 2d", "list --sn REQ20261127000001 --json"),
    "show": ("show collector-42", "show REQ20261127000001 --live"),
    "why": ("why collector-42", "why collector-42 --language zh"),
    "history": ("history collector-42", "history collector-42 --json"),
    "graph": (
        "graph",
        "graph --request collector-42 -o collector-42.svg",
        "graph --request collector-42 --kind timeline -o timeline.svg",
        "graph --request collector-42 --kind sequence --language zh",
    ),
    "wait": ("wait collector-42 --timeout 3600",),
    "metrics": ("metrics -o /var/lib/node_exporter/itsm.prom",),
    "apply": (
        "apply --subject collector-42 --title 'Collect nginx logs' --applicant zhang_san --approver li_si --dry-run",
    ),
    "settle": ("settle collector-42",),
    "withdraw": (f"withdraw collector-42 {_OPERATOR} --reason 'the host is gone'",),
    "resend": (f"resend collector-42 {_OPERATOR} --reason 'not in the list of tickets'",),
    "resend-all": (
        f"resend-all {_OPERATOR} --reason 'the gateway was down' --attention not_found",
        f"resend-all {_OPERATOR} --reason 'the gateway was down' --attention not_found --yes",
    ),
    "record-ticket": (f"record-ticket collector-42 --sn REQ20261127000001 {_OPERATOR}",),
    "abandon": (f"abandon collector-42 {_OPERATOR} --reason 'filed by mistake'",),
    "retry-effect": (f"retry-effect collector-42 start_collecting {_OPERATOR}",),
    "raise-attention": (f"raise-attention collector-42 {_OPERATOR} --reason 'the host is being replaced'",),
    "clear-attention": (f"clear-attention collector-42 {_OPERATOR} --reason 'seen, the approver is on leave'",),
    "attest-approval": (
        "attest-approval collector-42 --ticket-id 815 --approver wang_wu --evidence 'seen on its page' --actor li_si",
    ),
    "accept-after-withdrawal": (
        f"accept-after-withdrawal collector-42 {_OPERATOR} --reason 'the applicant wants it again'",
    ),
    "reconcile": ("reconcile --limit 500", "reconcile --watch 300"),
    "web": ("web --store sqlite:///changes.db", "web --app shop.itsm:make_workflow --logins logins --allow-actions"),
    "web-password": ("web-password li_si",),
    "doctor": ("doctor", "doctor --online --json"),
    "callback-keys": ("callback-keys", "callback-keys --rotate --output callback.keys"),
    "shadow": ("shadow --csv handler.csv",),
    "adopt": (
        f"adopt --csv open.csv --app shop.itsm:make_workflow {_OPERATOR} --reason 'the old handler is off'",
        f"adopt --csv open.csv --app shop.itsm:make_workflow {_OPERATOR} --reason 'the old handler is off' --yes",
    ),
    "demo": ("demo", "demo --seed 7 --folder ./demo"),
    "sandbox": ("sandbox", "sandbox --port 8061 --loaded"),
    "lint-graph": ("lint-graph", "lint-graph shop.workflows:ORDERS --strict --against sqlite:///changes.db"),
    "verify": (
        "verify",
        "verify --ticks 3 --faults 2",
        "verify shop.itsm:DEPLOYMENT --host-acts shop.itsm:acts",
        "verify --changes 2",
        "verify --grow --seconds 60",
    ),
    "gateway check": ("gateway check --list", "gateway check shop.testing:Tracker --only withdrawal"),
    "export-case": ("export-case collector-42 -o test_collector_42.py",),
    "storage archive": ("storage archive sqlite:///changes.db json:///2026.jsonl --older-than 90d --dry-run",),
    "storage check": ("storage check sqlite:///new.db", "storage check redis://127.0.0.1/9 --only ticket"),
    "storage copy": ("storage copy json:///changes.jsonl sqlite:///changes.db --dry-run",),
    "storage verify": ("storage verify sqlite:///changes.db",),
    "storage repair": ("storage repair changes.jsonl",),
    "storage backup": ("storage backup sqlite:///changes.db backup.db",),
    "storage restore": ("storage restore backup.db sqlite:///changes.db",),
    "storage upgrade": ("storage upgrade sqlite:///changes.db",),
    "storage migrate": ("storage migrate postgresql://itsm@127.0.0.1/itsm --dry-run",),
}
"""For each command, the arguments of `itsm-workflow`."""


def show_examples(name: str, command: click.Command) -> None:
    """Print the examples of a command below its help; a command without examples is left as it is."""
    lines = [f"itsm-workflow {arguments}" for arguments in EXAMPLES.get(name, ())]
    if lines:
        # An empty line ends a paragraph of the help, and is not printed.
        command.epilog = "\n\n".join(["Examples:" if len(lines) > 1 else "Example:", *lines])
