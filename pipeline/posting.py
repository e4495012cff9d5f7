"""Post a message to a webhook.

What this needs of Python takes 26 ms to import: it is imported where something is posted.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final, NoReturn
from urllib.error import HTTPError, URLError

from pipeline.errors import RunError
from pipeline.webhook import Webhook

_TIMEOUT_SECONDS: Final = 10.0
# Slack asks for a second between posts; a server that restarts needs about as long.
_PAUSE_SECONDS: Final = 2.0
_TOO_MANY: Final = 429


def post(
    webhook: Webhook,
    message: Mapping[str, Any],
    timeout: float = _TIMEOUT_SECONDS,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Post a message; once more where a second try may help.

    Args:
        webhook: where to.
        message: a JSON object.
        timeout: how long to wait for the server, in seconds.
        pause: waits so many seconds before the second try.

    Raises:
        RunError: if it is not taken; the message shows the host alone.
    """
    body = json.dumps(message).encode()
    try:
        _send(webhook, body, timeout)
    except (OSError, HTTPException) as error:
        if not _may_pass(error):
            raise _refusal(webhook, error, timeout) from None
        pause(_PAUSE_SECONDS)
        try:
            _send(webhook, body, timeout)
        except (OSError, HTTPException) as again:
            raise _refusal(webhook, again, timeout) from None


def _send(webhook: Webhook, body: bytes, timeout: float) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    request = urllib.request.Request(webhook.url, body, headers, method="POST")
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if webhook.is_here:
        handlers.append(urllib.request.ProxyHandler({}))
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout):
        pass


def _refusal(webhook: Webhook, error: Exception, timeout: float) -> RunError:
    # What urllib says of an error may quote the address: none of it is a cause or a text here.
    reason = _reason(error, timeout)
    return RunError(
        f"the alert was not taken by {webhook.host} ({reason}): see that --alert is right and "
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
