"""The commands for trying the library: the demonstration, and a stand-in of BK-ITSM."""

from __future__ import annotations

import errno
import importlib.util
import json
import pathlib
import secrets
import shlex
import signal
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import rich_click as click

from itsm_workflow.cli.language import language
from itsm_workflow.cli.output import as_json, data, line, note
from itsm_workflow.cli.places import APP_VARIABLE, NO_APP
from itsm_workflow.cli.show import json_option
from itsm_workflow.cli.values import Whole, not_written
from itsm_workflow.settings.rules import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORT, _SEEDS = 8901, 2**63 - 1
_HOST_OF_CALLBACKS = "http://127.0.0.1:8000"
"""The address at which a host on this machine usually listens: Gunicorn, Uvicorn and Django take this port."""


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="Keep the store and the host's log here; by default in a new temporary folder.",
)
@click.option("--seed", type=Whole(-_SEEDS, _SEEDS), help="The seed of ids, and of the stand-in's random choices.")
@click.option("-v", "--verbose", is_flag=True, help="Print timings, and the ids and tickets of all changes.")
@json_option
def demo(folder: pathlib.Path | None, seed: int | None, *, verbose: bool, in_json: bool) -> int:
    """Run change requests against a stand-in of BK-ITSM on this machine, inject faults, and audit the result."""
    from itsm_workflow.demo import SEED, run  # noqa: PLC0415 - imported here to save start-up time

    show = note if in_json else data
    try:
        result = run(
            folder=folder, seed=SEED if seed is None else seed, show=show, verbose=verbose, language=language()
        )
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        if folder is None or not str(error.filename or "").startswith(str(folder)):
            raise
        raise not_written("--folder", folder, error) from error
    if in_json:
        as_json(result.as_json())
    else:
        data("")
        line("Look at the store yourself:")
        data("\n".join(_next_commands(result.store)))
    return result.exit_code


def _next_commands(store: str) -> Iterator[str]:
    """Yield what a person can type next, with the command as it was called."""
    called = sys.argv[0] if pathlib.Path(sys.argv[0]).stem == "itsm-workflow" else "itsm-workflow"
    known = ["list", "why collector-11", "history collector-20", "graph --request collector-20 -o change.svg"]
    if all(importlib.util.find_spec(name) for name in ("flask", "waitress")):  # the extra of the console
        known.append("web")
    for arguments in known:
        yield f"  {called} {arguments} --store {shlex.quote(store)}"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=Whole(0, 65_535), default=_PORT, show_default=True, help="The port; 0 for a free one.")
@click.option("--loaded", is_flag=True, help="Be as slow as a server under load: 16 to 25 s to the approval step.")
@json_option
def sandbox(host: str, port: int, *, loaded: bool, in_json: bool) -> None:
    """Run a stand-in of BK-ITSM until Ctrl-C or SIGTERM, and print the settings for its clients."""
    from itsm_workflow.sandbox import LOADED, Sandbox, use_own_pages  # noqa: PLC0415 - to save start-up time

    signals: list[int] = []  # no event: a handler must not wait for a lock that the code below may hold
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: signals.append(number))
    try:
        running = Sandbox(host=host, port=port, **(LOADED if loaded else {})).start()
    except OSError as error:
        cause = error.strerror
        if error.errno == errno.EADDRINUSE:
            raise click.ClickException(
                f"--port {port}: cannot listen on {host}:{port}: {cause}; another program listens there: give another "
                "--port, or --port 0 for a free one"
            ) from error
        raise click.ClickException(
            f"--host {host}, --port {port}: cannot listen on {host}:{port}: {cause}; a port below 1024 needs "
            "permission, and --host an address of this machine"
        ) from error
    try:
        # The pages are for this machine only, whichever address the API listens on.
        pages = running.root if is_loopback(host) else f"http://127.0.0.1:{running.root.rpartition(':')[2]}"
        use_own_pages(running, pages)
        variables = _variables(running.url, host, pages)
        if in_json:
            as_json(variables)
        else:
            data("\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))
        sys.stdout.flush()
        note(f"BK-ITSM stand-in at {running.root}/ until Ctrl-C. Decide tickets, and make it misbehave, in a browser:")
        note(f"  {pages}/")
        note("or from another terminal:")
        note(f"  curl -d {shlex.quote(json.dumps({'sn': 'REQ...'}))} {pages}/_sandbox/approve/    # or reject/")
        while not signals:
            time.sleep(0.1)
    finally:
        running.close()


def _variables(url: str, host: str, pages: str) -> dict[str, str]:
    """Return the settings for a client of the stand-in; its credentials protect nothing."""
    plain_text = {} if is_loopback(host) else {"BKAPP_ITSM_ALLOW_HTTP": "true"}
    return {
        "BKAPP_ITSM_APP_CODE": "sandbox",
        "BKAPP_ITSM_APP_SECRET": secrets.token_urlsafe(24),
        "BKAPP_ITSM_GATEWAY_URL": url,
        "BKAPP_ITSM_FAST_APPROVAL": "true",
        "BKAPP_ITSM_TICKET_HOSTS": str(urlsplit(pages).hostname),
        **plain_text,
        # A key of each start, for a host on this machine: without a host and a key, a host files nothing.
        "BKAPP_ITSM_CALLBACK_HOST": _HOST_OF_CALLBACKS,
        "BKAPP_ITSM_CALLBACK_KEYS": secrets.token_urlsafe(32),
        APP_VARIABLE: NO_APP,
    }
