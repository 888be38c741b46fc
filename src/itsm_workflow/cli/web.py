"""The command that serves the console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.output import note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.values import Whole
from itsm_workflow.settings.rules import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection

_PORT = 8000
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


@click.command("web")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=Whole(0, 65_535), default=_PORT, show_default=True, help="The port; 0 for a free one.")
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A name by which browsers ask for the pages, besides those of this machine; may be repeated.",
)
@placed
def web(place: Place, host: str, port: int, names: tuple[str, ...]) -> None:
    """Serve the console until Ctrl-C or SIGTERM: pages in which people look after changes. It only reads."""
    from itsm_workflow.web import console  # noqa: PLC0415 - imported here to save start-up time
    from itsm_workflow.web.serving import PortInUseError, serve  # noqa: PLC0415 - as above

    def ready(port: int) -> None:
        note(f"the console is at http://{f'[{host}]' if ':' in host else host}:{port}/ until Ctrl-C")
        sys.stderr.flush()

    with place.records() as records:
        app = console(records, hosts=answered_names(host, names))
        try:
            serve(app, host=host, port=port, ready=ready)
        except PortInUseError as error:
            raise click.ClickException(
                f"cannot listen on {host}:{port}, since another process does: choose another port with --port, or "
                "--port 0 for a free one"
            ) from error
        except OSError as error:
            raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def answered_names(host: str, names: Collection[str]) -> Collection[str]:
    """Return the names that the pages answer to: those of this machine, and the given ones; any elsewhere."""
    return {*_LOCAL, *names} if names or is_loopback(host) else ()
