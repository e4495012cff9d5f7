"""Event and session ids computed one block at a time, as docs/identifiers.md has them."""

from __future__ import annotations

import base64
import hashlib
import string
from functools import reduce

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# Of RFC 4648, and the same characters in the order in which they sort, with - and _ for the last.
STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
SORTED = "".join(sorted(STANDARD[:-2] + "-_"))

KEYS = [
    hashlib.sha256(f"growth pipeline ids 1, permutation {number}".encode()).digest()
    for number in (1, 2, 3, 4)
]


def encrypted(key: bytes, block: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def xor(*blocks: bytes) -> bytes:
    return bytes(reduce(lambda x, y: x ^ y, column) for column in zip(*blocks, strict=True))


def joined(one: bytes, other: bytes) -> bytes:
    """H(x, y) = f3(f1(x) ^ f2(y)) ^ f1(x)."""
    first = xor(encrypted(KEYS[0], one), one)
    both = xor(first, encrypted(KEYS[1], other), other)
    return xor(encrypted(KEYS[2], both), encrypted(KEYS[3], both), first)


def number(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


def blocks_of(text: bytes | None) -> list[bytes]:
    if text is None:
        return [number(-1) + bytes(8)]
    kept = text if len(text) <= 64 else hashlib.blake2b(text, digest_size=16).digest()
    blocks = [kept[at : at + 16].ljust(16, b"\0") for at in range(0, len(kept), 16)]
    return [*blocks, number(len(text)) + bytes(8)]


def digest(text: str | bytes | None) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return reduce(joined, blocks_of(data), bytes(16))


def event_id(
    time_us: int,
    user: str,
    kind: str,
    category: str | None,
    miles: int | None,
    platform: str,
    source: str | None,
    country: str | None,
) -> str:
    labels = reduce(joined, map(digest, (kind, platform, source, country, category)))
    numbers = number(time_us) + number(-1 if miles is None else miles)
    return text_of(joined(joined(labels, digest(user)), numbers))


def session_id(user: str, first_us: int) -> str:
    second = first_us // 1_000_000 + 2**35
    # Six digits of six bits each are 36 bits, four and a half bytes.
    return text_of(digest(user)) + text_of((second << 4).to_bytes(5, "big"))[:6]


def text_of(data: bytes) -> str:
    standard = base64.b64encode(data).decode().rstrip("=")
    return standard.translate(str.maketrans(STANDARD, SORTED))
