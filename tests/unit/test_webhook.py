"""--alert's address: what it may be, how it is posted to, and that it is shown nowhere."""

from __future__ import annotations

import socket

import pytest

from pipeline.errors import RunError
from pipeline.posting import post
from pipeline.webhook import Webhook
from tests.support.webhooks import SECRET, receiving


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://hooks.example.com/secret", "is not https"),
        ("ftp://hooks.example.com/secret", "is neither an https:// URL nor env:NAME"),
        ("hooks.example.com/secret", "is neither an https:// URL nor env:NAME"),
        ("https:///secret", "is neither an https:// URL nor env:NAME"),
        ("https://me:secret@example.com/", "has a user name or password"),
        ("https://example.com:port/secret", "is no URL"),
        ("https://example.com/secret\n", "is no URL: it has spaces"),
        ("https://example.com/sécret", "is no URL: it has spaces"),
        ("http://127.0.0.1.example.com/secret", "is not https"),
        ("env:NO_SUCH_VARIABLE", "names a variable of the environment that is not set"),
    ],
)
def test_what_is_no_address_is_refused_unquoted(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as raised:
        Webhook.parse(text)
    assert text not in str(raised.value)
    assert "example.com" not in str(raised.value)


def test_an_address_is_given_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example.com/secret")
    for text in ("env:HOOK", "https://hooks.example.com/secret"):
        webhook = Webhook.parse(text)
        assert webhook.url == "https://hooks.example.com/secret"
        assert "secret" not in f"{webhook} {webhook!r}"
    for here in ("http://localhost:1/x", "http://127.0.0.1/x", "http://[::1]:8/x"):
        assert Webhook.parse(here).url == here


@pytest.mark.parametrize(
    ("answers", "posts", "problem"),
    [
        ([], 1, None),
        ([503], 2, None),
        ([429], 2, None),
        ([500, 502], 2, "HTTP 502"),
        ([404], 1, "HTTP 404"),
        ([302], 1, "HTTP 302, a redirect"),
    ],
)
def test_what_may_pass_is_tried_once_more(
    answers: list[int], posts: int, problem: str | None
) -> None:
    pauses: list[float] = []
    with receiving() as receiver:
        receiver.answers = answers
        webhook = Webhook.parse(receiver.url)
        if problem is None:
            post(webhook, {"text": "ä"}, pause=pauses.append)
        else:
            with pytest.raises(RunError, match=f"127.0.0.1 .{problem}") as raised:
                post(webhook, {"text": "ä"}, pause=pauses.append)
            assert SECRET not in str(raised.value)
            # Nor does a traceback show it.
            assert raised.value.__cause__ is None
            assert raised.value.__suppress_context__
        assert receiver.got == [{"text": "ä"}] * posts
    assert len(pauses) == posts - 1


def test_whoever_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy of the environment is not asked for an address on this machine.
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:9")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = Webhook.parse(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}")
        with pytest.raises(RunError, match=r"no answer within 0\.05 s") as raised:
            post(webhook, {}, timeout=0.05, pause=lambda _: None)
    assert SECRET not in str(raised.value)
    with pytest.raises(RunError, match="Connection refused") as raised:
        post(webhook, {}, pause=lambda _: None)
    assert SECRET not in str(raised.value)
