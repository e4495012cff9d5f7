"""An address that JSON is posted to. It is a secret: who knows it can post there."""

from __future__ import annotations

import ipaddress
import json
import os
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from pipeline.errors import RunError

_ENVIRONMENT: Final = "env:"
_TIMEOUT_SECONDS: Final = 10.0
# Slack asks for a second between posts; a server that restarts needs about as long.
_PAUSE_SECONDS: Final = 2.0
_TOO_MANY: Final = 429


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

    def __str__(self) -> str:
        return f"{self.host} (the rest is not shown)"

    def post(
        self,
        message: Mapping[str, Any],
        timeout: float = _TIMEOUT_SECONDS,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Post a message; once more where a second try may help.

        Args:
            message: a JSON object.
            timeout: how long to wait for the server, in seconds.
            pause: waits so many seconds before the second try.

        Raises:
            RunError: if it is not taken; the message shows the host alone.
        """
        body = json.dumps(message).encode()
        try:
            self._send(body, timeout)
        except (OSError, HTTPException) as error:
            if not _may_pass(error):
                raise self._refusal(error, timeout) from None
            pause(_PAUSE_SECONDS)
            try:
                self._send(body, timeout)
            except (OSError, HTTPException) as again:
                raise self._refusal(again, timeout) from None

    def _send(self, body: bytes, timeout: float) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        request = urllib.request.Request(self.url, body, headers, method="POST")
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if _is_here(self.host):
            handlers.append(urllib.request.ProxyHandler({}))
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout):
            pass

    def _refusal(self, error: Exception, timeout: float) -> RunError:
        # What urllib says of an error may quote the address: none of it is a cause or a text here.
        reason = _reason(error, timeout)
        return RunError(
            f"the alert was not taken by {self.host} ({reason}): see that --alert is right and "
            "that this machine reaches it. The next run with --alert tries again"
        )


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever answers with another address gets nothing there: it might be anybody's."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> NoReturn:
        raise HTTPError("", code, "redirect", headers, fp)


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


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, HTTPError) or error.code == _TOO_MANY or error.code >= 500


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, HTTPError):
        is_elsewhere = 300 <= error.code < 400
        return f"HTTP {error.code}{', a redirect, which is not followed' if is_elsewhere else ''}"
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"no answer within {timeout:g} s"
    return getattr(cause, "strerror", None) or type(cause).__name__
