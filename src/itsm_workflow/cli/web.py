"""The commands that serve the console, and that hash the passwords of its people."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
from typing import TYPE_CHECKING

import rich_click as click

from itsm_workflow.cli.output import data, note
from itsm_workflow.cli.places import Place, placed
from itsm_workflow.cli.values import Whole
from itsm_workflow.cli.values import zone as zone_named
from itsm_workflow.settings.rules import is_loopback

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from itsm_workflow.runtime.records import Records

_PORT = 8000
_LOCAL = ("127.0.0.1", "localhost", "[::1]")
_SHORTEST = 8


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
@click.option(
    "--logins",
    type=click.Path(dir_okay=False, path_type=pathlib.Path),
    help="Ask for a login: a file with the lines that `web-password` prints.",
)
@click.option("--https", is_flag=True, help="Browsers reach it over HTTPS, by a proxy: send cookies over HTTPS alone.")
@click.option(
    "--zone",
    type=zone_named,
    default="UTC",
    show_default=True,
    help="The time zone of the pages, such as Asia/Shanghai.",
)
@click.option("--allow-actions", is_flag=True, help="Offer the acts of an operator; needs --logins.")
@placed
def web(  # noqa: PLR0917 - click passes by name
    place: Place,
    host: str,
    port: int,
    names: tuple[str, ...],
    logins: pathlib.Path | None,
    https: bool,  # noqa: FBT001 - as above
    zone: dt.tzinfo,
    allow_actions: bool,  # noqa: FBT001 - as above
) -> None:
    """Serve the console until Ctrl-C or SIGTERM: pages in which people look after changes."""
    from itsm_workflow.web import console  # noqa: PLC0415 - imported here to save start-up time
    from itsm_workflow.web.logins import LoginFile, LoginFileError  # noqa: PLC0415 - as above
    from itsm_workflow.web.serving import PortInUseError, serve  # noqa: PLC0415 - as above

    if allow_actions and logins is None:
        raise click.UsageError(
            "--allow-actions needs a login, since each act has an actor: make a file with `itsm-workflow web-password "
            "NAME >> FILE`, and name it with --logins FILE"
        )
    if not names and not is_loopback(host):
        # The name of another site may lead to this address, and its pages could then read the answers.
        raise click.UsageError(
            f"--host {host} needs the name by which browsers ask for the pages: name it with --name HOST, for example "
            "--name itsm.example.com"
        )

    def ready(port: int) -> None:
        note(f"the console is at http://{f'[{host}]' if ':' in host else host}:{port}/ until Ctrl-C")
        sys.stderr.flush()

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        hashes = {} if logins is None else LoginFile(logins)
    except LoginFileError as error:
        raise click.UsageError(str(error)) from error
    with _opened(place, acts=allow_actions) as records:
        app = console(records, zone=zone, hosts={*_LOCAL, *names}, logins=hashes, allow_actions=allow_actions)
        try:
            serve(app, host=host, port=port, https=https, ready=ready)
        except PortInUseError as error:
            raise click.ClickException(
                f"cannot listen on {host}:{port}, since another process does: choose another port with --port, or "
                "--port 0 for a free one"
            ) from error
        except OSError as error:
            raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


@click.command("web-password")
@click.argument("name")
@click.option("--password", help="The password; by default asked for, and not shown.")
def web_password(name: str, password: str | None) -> None:
    """Print a line for the file of `web --logins`: a name, and the hash of a password."""
    from itsm_workflow.web.sessions import hash_of  # noqa: PLC0415 - imported here to save start-up time

    if not name.strip() or name != name.strip() or any(one == ":" or not one.isprintable() for one in name):
        raise click.UsageError(f"the name {name!r} is not possible: leave out colons, line breaks and outer spaces")
    if password is None:  # asked for on standard error, since standard output is the file
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    if len(password) < _SHORTEST:
        raise click.UsageError(f"the password is too short: take at least {_SHORTEST} characters")
    data(f"{name}:{hash_of(password)}")


@contextlib.contextmanager
def _opened(place: Place, *, acts: bool) -> Iterator[Records]:
    with place.workflow() if acts else place.records() as records:
        yield records
