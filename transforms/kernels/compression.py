"""Two blocks of 16 bytes into one, so that nobody finds two pairs that become the same.

The function is that of Shrimpton and Stam (ICALP 2008): f3(f1(x) ^ f2(y)) ^ f1(x). Their proof
lets f1 and f2 be permutations with a feed-forward, but wants f3 to be a random function; the sum
of two permutations is as good as one (Mandal, Patarin, Nachef, INDOCRYPT 2010). The four
permutations are AES-256 under fixed keys: docs/identifiers.md has the arithmetic.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from transforms.kernels.text_blocks import BLOCK_BYTES, Blocks, TextBlocks, chunks

# Whoever changes what ids are made of changes all ids of all tables, and this number with them.
VERSION: Final = 1


class Permutation:
    """AES-256 of each block by itself.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes):
        # ECB is what applies one permutation to many blocks; nothing is kept secret by it.
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def __call__(self, blocks: Blocks) -> Blocks:
        data = np.ascontiguousarray(blocks, "<u8").reshape(-1).view(np.uint8)
        # The cipher asks for room for one block less one byte more than it writes.
        room = np.empty(len(data) + BLOCK_BYTES - 1, np.uint8)
        self._cipher.encryptor().update_into(data.data, room.data)
        return room[: len(data)].view("<u8").reshape(-1, 2)


# The keys are digests of what they are for, so that nobody has chosen them.
_P1, _P2, _P3, _P4 = (
    Permutation(
        hashlib.sha256(f"growth pipeline ids {VERSION}, permutation {number}".encode()).digest()
    )
    for number in (1, 2, 3, 4)
)


def left(blocks: Blocks) -> Blocks:
    """What `compressed` takes of the first block of a pair."""
    return _P1(blocks) ^ blocks


def right(blocks: Blocks) -> Blocks:
    """What `compressed` takes of the second block of a pair."""
    return _P2(blocks) ^ blocks


def compressed(lefts: Blocks, rights: Blocks) -> Blocks:
    """One block for each pair, of `left` of its first and `right` of its second block."""
    both = lefts ^ rights
    result = _P3(both)
    result ^= _P4(both)
    result ^= lefts
    return result


def digests(texts: pa.Array) -> Blocks:
    """A block for each text of a string or binary array; NULL has one of its own.

    The blocks of a text are taken in one after the other, its length last.
    """
    state = np.zeros((len(texts), 2), "<u8")
    for chunk in chunks(len(texts)):
        state[chunk] = _digests(TextBlocks.of(texts[chunk]), state[chunk])
    return state


def _digests(texts: TextBlocks, state: Blocks) -> Blocks:
    for rows, blocks in texts:
        state[rows] = compressed(left(state[rows]), right(blocks))
    return compressed(left(state), right(texts.last()))
