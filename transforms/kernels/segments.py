"""Segments of users: platform, channel and country of the first event, as integers.

Counters hold these integers, so that each stays what it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from transforms.kernels.counters import Grid
from transforms.kernels.grid_keys import split_segment_key
from transforms.kernels.timelines import Timelines
from transforms.vocabulary import CHANNELS, OTHER_CHANNEL, PLATFORMS

ALL: Final = 0
_PLATFORM: Final = 1
_CHANNEL: Final = 4
_COUNTRY: Final = 16
_LETTERS: Final = 26
# Countries beyond the largest together, in marts alone.
OTHER_COUNTRY: Final = _COUNTRY + 1 + _LETTERS**2
NO_COUNTRY: Final = "none"
OTHER: Final = "other"
_LARGEST: Final = 50
_CHANNEL_NAMES: Final = (*CHANNELS, OTHER_CHANNEL)


class Segment(NamedTuple):
    """A segment.

    Attributes:
        type: all, platform, channel or country.
        value: which of them.
    """

    type: str
    value: str


def segment_of(code: int) -> Segment:
    """The segment that an integer stands for."""
    if code == ALL:
        return Segment("all", "all")
    if code < _CHANNEL:
        return Segment("platform", PLATFORMS[code - _PLATFORM])
    if code < _COUNTRY:
        return Segment("channel", _CHANNEL_NAMES[code - _CHANNEL])
    if code == _COUNTRY:
        return Segment("country", NO_COUNTRY)
    if code == OTHER_COUNTRY:
        return Segment("country", OTHER)
    first, second = divmod(code - _COUNTRY - 1, _LETTERS)
    return Segment("country", chr(ord("A") + first) + chr(ord("A") + second))


def folded(codes: NDArray[np.int64], sizes: Grid) -> NDArray[np.int64]:
    """The segments as marts show them: countries beyond the largest 50 are OTHER_COUNTRY.

    Args:
        codes: int64 [n], segments.
        sizes: keys are `segment_key(period, segment)`; the users that are `new` count.
    """
    _, of_size = split_segment_key(sizes.keys)
    users = np.bincount(of_size, sizes.values[:, sizes.names.index("new")], OTHER_COUNTRY + 1)
    countries = np.flatnonzero(users[_COUNTRY:]) + _COUNTRY
    # Of two that are equal the first by name, so that the same ones are shown in every run.
    largest = countries[np.argsort(-users[countries], kind="stable")][:_LARGEST]
    shown = np.arange(OTHER_COUNTRY + 1)
    shown[_COUNTRY:] = OTHER_COUNTRY
    shown[largest] = largest
    found: NDArray[np.int64] = shown[codes]
    return found


class SegmentColumns(NamedTuple):
    """Two columns of a mart.

    Attributes:
        type, value: dictionary-encoded string [rows].
    """

    type: pa.DictionaryArray
    value: pa.DictionaryArray


def segment_columns(codes: NDArray[np.int64]) -> SegmentColumns:
    """The columns that name segments: int64 [rows]."""
    found, places = np.unique(codes, return_inverse=True)
    labels = [segment_of(code) for code in found.tolist()]
    indices = pa.array(places.astype(np.int32))
    return SegmentColumns(
        *(
            pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))
            for names in ([each.type for each in labels], [each.value for each in labels])
        )
    )


def segments_of(users: Timelines) -> NDArray[np.int64]:
    """The platform, channel and country of each user: int64 [users, 3]."""
    channel = pc.index_in(users.first_utm_source, pa.array(CHANNELS)).fill_null(len(CHANNELS))
    return np.column_stack(
        [
            _PLATFORM + users.first_platform.astype(np.int64),
            _CHANNEL + channel.to_numpy().astype(np.int64),
            _countries(users.first_country),
        ]
    )


def _countries(names: pa.Array) -> NDArray[np.int64]:
    labels = names.dictionary_encode()
    codes = [
        _COUNTRY + 1 + _LETTERS * (ord(name[0]) - ord("A")) + ord(name[1]) - ord("A")
        for name in labels.dictionary.to_pylist()
    ]
    places = labels.indices.fill_null(len(codes)).to_numpy()
    found: NDArray[np.int64] = np.array([*codes, _COUNTRY], np.int64)[places]
    return found
