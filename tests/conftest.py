"""What holds for every test: no settings from outside, no connection that leaves the machine, Hypothesis profiles.

Tests that are marked `long` take seconds of processor time each. They run with `--long`, or when they are named.
"""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
import sys
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE = ("BKAPP_", "BKPAAS_", "BK_", "APP_CODE", "ITSM_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

hypothesis.settings.register_profile("fast", deadline=None, max_examples=30)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that run more tests."""
    parser.addoption("--long", action="store_true", help="run the long tests as well")
    parser.addoption("--browser", action="store_true", help="run the tests below tests/browser, which need Chromium")
    parser.addoption("--pictures", action="store_true", help="let the tests below tests/browser replace docs/pictures")
    parser.addoption("--services", action="store_true", help="run the tests below tests/services, which need servers")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "long: takes seconds of processor time; runs with --long, or when it is named")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out, unless they are asked for."""
    if config.getoption("--long") or any("::" in argument for argument in config.args):
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    items[:] = [item for item in items if not item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)


def pytest_sessionstart() -> None:
    """Collect no garbage while the tests are collected: there is none."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was collected: it stays, and takes it half a second each time."""
    gc.enable()
    gc.collect()
    gc.freeze()


def _stay_on_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    opened, address = arguments
    if not isinstance(opened, socket.socket) or opened.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    host = address[0] if isinstance(address, tuple) else ""
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = host == "localhost"
    if not inside:
        message = f"a test tried to connect to {host}; tests talk to this machine only"
        raise PermissionError(message)


sys.addaudithook(_stay_on_this_machine)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Take the settings of the surrounding environment away, also from the processes that tests start."""
    taken = {name: value for name, value in os.environ.items() if name.upper().startswith(OUTSIDE)}
    for name in taken:
        del os.environ[name]
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):  # the command speaks the language of the locale
        if os.environ.get(name, "").startswith("zh"):
            taken[name] = os.environ[name]
            os.environ[name] = "C.UTF-8"
    yield
    os.environ.update(taken)
