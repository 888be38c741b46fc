"""Test certificates, and an environment with misleading settings, for the tests of the gateway group."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.support.certificates import context_of, expired

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Authority:
    """A certificate authority for tests.

    Args:
        folder: The folder for the CA bundle.

    Attributes:
        bundle: The path of the CA bundle, which makes the authority trusted.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.bundle = folder / "trusted" / "ca.pem"
        self.bundle.parent.mkdir()
        self._authority.cert_pem.write_to_path(str(self.bundle))

    def certificate(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        """Return a server's TLS context with a certificate of this authority."""
        return context_of(self._authority.issue_cert(name))

    def unproven(self) -> Mapping[str, tuple[ssl.SSLContext | None, str]]:
        """Return servers that cannot prove their identity, each with the CA bundle of the client."""
        old = self.certificate()
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        old.set_ciphers("ALL:@SECLEVEL=0")
        return {
            "expired": (context_of(expired(self._authority)), str(self.bundle)),
            "wrong name": (self.certificate("other.example.com"), str(self.bundle)),
            "self-signed": (context_of(trustme.CA().issue_cert("127.0.0.1")), str(self.bundle)),
            "not trusted by itself": (self.certificate(), ""),
            "TLS 1.1": (old, str(self.bundle)),
            "plain HTTP": (None, ""),
        }

    @contextlib.contextmanager
    def misleading(self) -> Iterator[tuple[dict[str, str], socket.socket]]:
        """Yield an environment with every known misleading setting, and the proxy that it names."""
        netrc, keys = self._folder / "netrc", self._folder / "keys.log"
        netrc.write_text("machine 127.0.0.1 login me password canary\n", encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            proxy.settimeout(0)
            url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
            names = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
            proxies = {variant: url for name in names for variant in (name, name.upper())}
            trusted = dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(self.bundle))
            others = {"SSL_CERT_DIR": str(self.bundle.parent), "NETRC": str(netrc), "SSLKEYLOGFILE": str(keys)}
            yield {**proxies, **trusted, **others}, proxy
