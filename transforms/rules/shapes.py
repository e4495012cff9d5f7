"""What the parts of a file of rules may look like: the one definition for reading and for the JSON
Schema that editors take."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

_KINDS: Final = {
    bool: "true or false",
    str: "a text",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class ShapeError(Exception):
    """A part that is not as it may be.

    Attributes:
        keys: where it is, from the outside in.
        problem: what is wrong, and what to do.
    """

    def __init__(self, keys: tuple[str, ...], problem: str):
        super().__init__(problem)
        self.keys = keys
        self.problem = problem


class Shape(Protocol):
    """What a part may look like."""

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        """See that a value has the shape.

        Args:
            value: as TOML or JSON has it.
            keys: where it is.

        Raises:
            ShapeError: if it has not.
        """

    @property
    def schema(self) -> dict[str, Any]:
        """It as JSON Schema."""


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        says: what it is.
        choices: one of these; None for any.
        problem: what is wrong with a text, and what to do; None where nothing is.
        blank: whether it may be blank.
    """

    says: str = ""
    choices: tuple[str, ...] | None = None
    problem: Callable[[str], str | None] | None = None
    blank: bool = False

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, str):
            raise ShapeError(keys, f"is {_kind(value)}: put a text in quotes")
        if not self.blank and not value.strip():
            raise ShapeError(keys, "is blank: say what it is, or leave it out")
        if self.choices is not None and value not in self.choices:
            raise ShapeError(keys, f"{value!r} is none of {among(value, self.choices)}")
        problem = self.problem(value) if self.problem else None
        if problem is not None:
            raise ShapeError(keys, f"{value!r} {problem}")

    @property
    def schema(self) -> dict[str, Any]:
        found: dict[str, Any] = {"type": "string"}
        if not self.blank:
            found["minLength"] = 1
        if self.choices is not None:
            found["enum"] = list(self.choices)
        return _described(found, self.says)


@dataclass(frozen=True)
class Number:
    """A number above 0, not infinite."""

    says: str

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number:
            raise ShapeError(keys, f"is {_kind(value)}: give a number without quotes")
        if not 0 < value < 1e15:
            raise ShapeError(keys, f"is {value}: give a number above 0 and below 1e15")

    @property
    def schema(self) -> dict[str, Any]:
        return _described(
            {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1e15}, self.says
        )


@dataclass(frozen=True)
class Whole:
    """A whole number within bounds, both included."""

    says: str
    low: int
    high: int

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        bounds = f"give a whole number from {self.low} to {self.high}, without quotes"
        if not isinstance(value, int) or isinstance(value, bool):
            raise ShapeError(keys, f"is {_kind(value)}: {bounds}")
        if not self.low <= value <= self.high:
            raise ShapeError(keys, f"is {value}: {bounds}")

    @property
    def schema(self) -> dict[str, Any]:
        return _described({"type": "integer", "minimum": self.low, "maximum": self.high}, self.says)


@dataclass(frozen=True)
class Flag:
    """True or false."""

    says: str

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, bool):
            raise ShapeError(keys, f"is {_kind(value)}: give true or false without quotes")

    @property
    def schema(self) -> dict[str, Any]:
        return _described({"type": "boolean"}, self.says)


@dataclass(frozen=True)
class Several:
    """A list, not empty, without repetitions.

    Attributes:
        of: of what.
        says: what it is.
        most: how many there may be; None for any number.
    """

    of: Shape
    says: str = ""
    most: int | None = None

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, list):
            raise ShapeError(keys, f'is {_kind(value)}: give a list, as in ["a", "b"]')
        if not value:
            raise ShapeError(keys, "is empty: leave it out, or name something")
        if self.most is not None and len(value) > self.most:
            raise ShapeError(keys, f"has {len(value)} items: give {self.most} at most")
        for item in value:
            self.of.check(item, keys)
        for item in value:
            if value.count(item) > 1:
                raise ShapeError(keys, f"has {item!r} more than once")

    @property
    def schema(self) -> dict[str, Any]:
        found = {"type": "array", "items": self.of.schema, "minItems": 1, "uniqueItems": True}
        most = {} if self.most is None else {"maxItems": self.most}
        return _described({**found, **most}, self.says)


@dataclass(frozen=True)
class OneOrSeveral:
    """A text, or a list of them."""

    of: Text
    says: str = ""

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, str | list):
            raise ShapeError(keys, f"is {_kind(value)}: give a text in quotes, or a list of them")
        shape: Shape = Several(self.of) if isinstance(value, list) else self.of
        shape.check(value, keys)

    @property
    def schema(self) -> dict[str, Any]:
        return _described({"anyOf": [self.of.schema, Several(self.of).schema]}, self.says)


@dataclass(frozen=True)
class WordOrSeveral:
    """One certain text, or a list."""

    word: str
    several: Several
    says: str

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if isinstance(value, str) and value != self.word:
            raise ShapeError(
                keys, f'is {value!r}: give a list, as in ["a", "b"], or "{self.word}" for all'
            )
        if value != self.word:
            self.several.check(value, keys)

    @property
    def schema(self) -> dict[str, Any]:
        return _described({"anyOf": [{"const": self.word}, self.several.schema]}, self.says)


@dataclass(frozen=True)
class Keys:
    """A table of known keys.

    Attributes:
        shapes: of the values, by key.
        says: what it is.
        problem: what is wrong with its keys together, and what to do; None where nothing is.
    """

    shapes: Mapping[str, Shape]
    says: str = ""
    problem: Callable[[Mapping[str, Any]], str | None] | None = None

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            raise ShapeError(keys, f"is {_kind(value)}: it has the keys {', '.join(self.shapes)}")
        for key, item in value.items():
            if key not in self.shapes:
                raise ShapeError(
                    (*keys, key), f"is no key of rules; there are {among(key, self.shapes)}"
                )
            self.shapes[key].check(item, (*keys, key))
        problem = self.problem(value) if self.problem else None
        if problem is not None:
            raise ShapeError(keys, problem)

    @property
    def schema(self) -> dict[str, Any]:
        found = {
            "type": "object",
            "properties": {key: shape.schema for key, shape in self.shapes.items()},
            "additionalProperties": False,
        }
        return _described(found, self.says)


@dataclass(frozen=True)
class AnyKeys:
    """A table of any keys, whose values are alike.

    Attributes:
        of: the values.
        says: what it is.
        key: what its keys may be; None for anything.
    """

    of: Shape
    says: str
    key: Text | None = None

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, dict):
            raise ShapeError(keys, f'is {_kind(value)}: give a line for each value, "a" = "b"')
        for key, item in value.items():
            if self.key is not None:
                self.key.check(key, (*keys, key))
            self.of.check(item, (*keys, key))

    @property
    def schema(self) -> dict[str, Any]:
        found = {"type": "object", "additionalProperties": self.of.schema}
        return _described(found, self.says)


@dataclass(frozen=True)
class TextsOrKeys:
    """A text, a list of them, or a table."""

    texts: OneOrSeveral
    keys: Keys
    says: str

    def check(self, value: Any, keys: tuple[str, ...]) -> None:
        if not isinstance(value, str | list | dict):
            raise ShapeError(
                keys,
                f"is {_kind(value)}: give the source's name of it in quotes, a list of such names, "
                '{constant = "..."} or {field = "...", default = "..."}',
            )
        shape: Shape = self.keys if isinstance(value, dict) else self.texts
        shape.check(value, keys)

    @property
    def schema(self) -> dict[str, Any]:
        found = {"anyOf": [*self.texts.schema["anyOf"], self.keys.schema]}
        return _described(found, self.says)


def among(text: str, choices: Collection[str]) -> str:
    """The choices in a row, and which of them may be meant by a text."""
    return f"{', '.join(choices)}{meant(text, choices)}"


def meant(text: str, choices: Collection[str]) -> str:
    """A question whether one of some choices is meant by a text; nothing where none is near it."""
    folded = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(text.lower(), folded, n=1)
    return f"; did you mean {folded[close[0]]}?" if close else ""


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _described(schema: dict[str, Any], says: str) -> dict[str, Any]:
    return {"description": says, **schema} if says else schema
