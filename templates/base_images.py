"""The images that the Dockerfile begins with, by digest: `make base-images` asks their registries.

A tag can be moved to another image, a digest can't. The registries' HTTP API:
https://distribution.github.io/distribution/spec/api/
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import RunError
from templates.settings import ROOT

DOCKERFILE: Final = ROOT / "Dockerfile"
_FROM: Final = re.compile(r"^(FROM +)([^\s@]+)(@sha256:[0-9a-f]{64})?", re.MULTILINE)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
# An index of one image for several platforms, or an image: what `docker pull` accepts too.
_ACCEPTED: Final = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_SECONDS: Final = 30


@dataclass(frozen=True)
class Name:
    """Where an image lies.

    Attributes:
        registry: the host.
        repository: the path below it.
        tag: which of its images.
    """

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Name:
        """The name behind FROM; without a host it is one of Docker Hub's."""
        path, _, tag = text.rpartition(":")
        first, slash, rest = path.partition("/")
        if slash and ("." in first or ":" in first):
            return cls(first, rest, tag)
        return cls("registry-1.docker.io", path if slash else f"library/{path}", tag)


def without_digest(dockerfile: str) -> list[str]:
    """The base images that a Dockerfile names by a tag alone."""
    return [name for _, name, digest in _FROM.findall(dockerfile) if not digest]


def with_digests(dockerfile: str, digest_of: Callable[[Name], str]) -> str:
    """The Dockerfile with each base image's tag and digest."""
    return _FROM.sub(
        lambda found: f"{found[1]}{found[2]}@{digest_of(Name.parse(found[2]))}", dockerfile
    )


def digest_of(name: Name, scheme: str = "https") -> str:
    """The digest that a tag has now.

    Raises:
        RunError: if the registry can't be asked.
    """
    url = f"{scheme}://{name.registry}/v2/{name.repository}/manifests/{name.tag}"
    try:
        try:
            answer = _open(url, {})
        except urllib.error.HTTPError as error:
            challenge = error.headers.get("WWW-Authenticate", "")
            if error.code != 401 or not challenge:
                raise
            answer = _open(url, {"Authorization": f"Bearer {_token(challenge)}"})
        found: str = answer.headers.get("Docker-Content-Digest", "")
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"can't ask {name.registry} for {name.repository}:{name.tag} ({error}): see that the "
            "image is there and that this machine reaches the registry, and run again"
        ) from error
    if not _DIGEST.fullmatch(found):
        raise RunError(f"{url} gives no digest, but {found!r}: name another tag in the Dockerfile")
    return found


def _open(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers={"Accept": _ACCEPTED, **headers}, method="HEAD")
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        return answer


def _token(challenge: str) -> str:
    """A token for anybody, from where the registry says that one can be had."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    url = f"{asked['realm']}?service={asked.get('service', '')}&scope={asked.get('scope', '')}"
    with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
        given: dict[str, str] = json.load(answer)
    return given.get("token") or given["access_token"]


def main() -> int:
    """Write the digests into the Dockerfile; returns the exit code."""
    text = DOCKERFILE.read_text()
    try:
        pinned = with_digests(text, digest_of)
    except RunError as error:
        print(f"make base-images: {error}", file=sys.stderr)
        return 1
    DOCKERFILE.write_text(pinned)
    print("\n".join(line for line in pinned.splitlines() if line.startswith("FROM")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
