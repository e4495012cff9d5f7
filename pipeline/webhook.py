"""An address that JSON is posted to. It is a secret: who knows it can post there."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_ENVIRONMENT: Final = "env:"


@dataclass(frozen=True)
class Webhook:
    """An address that JSON is posted to.

    Attributes:
        url: with its secret; not part of its text.
    """

    url: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Webhook:
        """The address that a URL is, or that `env:NAME` names a variable with.

        Raises:
            ValueError: if it is neither; the message does not quote it.
        """
        url = text
        if text.startswith(_ENVIRONMENT):
            url = os.environ.get(text.removeprefix(_ENVIRONMENT), "")
            if not url:
                raise ValueError("names a variable of the environment that is not set")
        problem = _problem(url)
        if problem is not None:
            raise ValueError(problem)
        return cls(url)

    @property
    def host(self) -> str:
        """What may be shown of it."""
        return str(urlsplit(self.url).hostname)

    @property
    def is_here(self) -> bool:
        """Whether it is one of this machine."""
        return _is_here(self.host)

    def __str__(self) -> str:
        return f"{self.host} (the rest is not shown)"


def _problem(url: str) -> str | None:
    """What is wrong with an address; None if nothing."""
    if not url.isprintable() or not url.isascii() or " " in url:
        return "is no URL: it has spaces, or signs that a URL can't have"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if not host or parts.scheme not in ("https", "http"):
        return "is neither an https:// URL nor env:NAME"
    if parts.username is not None:
        return "has a user name or password in it: put the secret into the path, or a proxy between"
    if parts.scheme == "http" and not _is_here(host):
        return "is not https://, which only an address on this machine may do without"
    return None


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
