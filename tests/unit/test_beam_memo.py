"""What tests let Beam remember is what it answers without."""

from __future__ import annotations

from collections.abc import Iterable

import apache_beam as beam
import pytest
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import (
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
)
from apache_beam.transforms import core
from apache_beam.transforms.userstate import BagStateSpec, get_dofn_specs

from tests.support.beam_memo import (
    of_functions_once,
    options_once,
    parameters_once,
    pickled_once,
    remember,
    specs_once,
)


class _Plain(beam.DoFn):
    def process(self, item: int) -> Iterable[int]:
        yield item


class _Kept(beam.DoFn):
    BAG = BagStateSpec("bag", beam.coders.BytesCoder())

    def process(
        self, item: int, seen: object = beam.DoFn.StateParam(BAG), *, more: int = 1
    ) -> Iterable[int]:
        yield item


def test_parameters_are_those_of_the_function_bound_or_not() -> None:
    asked: list[object] = []

    def ask(called: object) -> tuple[list[str], list[object]]:
        asked.append(called)
        answer: tuple[list[str], list[object]] = core.get_function_args_defaults(called)
        return answer

    remembered = parameters_once(ask)
    for called in (_Kept().process, _Kept.process, _Kept().setup, str.upper, int, _Kept().process):
        for _ in range(2):
            names, defaults = remembered(called)
            assert (names, defaults) == core.get_function_args_defaults(called)
            names.clear()  # What is done to an answer is not remembered.
            defaults.clear()
    # One answer for each function of Python; of others none is remembered.
    assert len(asked) == 3 + 2 * 2
    remember()
    assert [spec.name for spec in get_dofn_specs(_Kept())[0]] == ["bag"]


class _KeptToo(_Kept):
    """Whose objects may have a method of their own."""

    def __init__(self, own: object = None):
        if own is not None:
            setattr(self, "process", own)  # noqa: B010


def test_state_and_timers_are_those_of_the_class_or_of_the_object() -> None:
    asked: list[object] = []

    def ask(function: beam.DoFn) -> tuple[set[object], set[object]]:
        asked.append(function)
        answer: tuple[set[object], set[object]] = get_dofn_specs(function)
        return answer

    remembered = specs_once(ask)
    plain = beam.Map(str).fn
    objects = (_KeptToo(), _KeptToo(), _KeptToo(plain.process), _KeptToo(_Plain().process), plain)
    for function in objects:
        for _ in range(2):
            states, timers = remembered(function)
            assert (states, timers) == get_dofn_specs(function)
            states.clear()  # What is done to an answer is not remembered.
    # The class once, and once with its method hidden by a function, which is none of the object's;
    # a wrapped function hides how its class describes that method; one of its own is asked twice.
    assert len(asked) == 3 + 2
    assert remembered(objects[0])[0] == {_Kept.BAG}
    assert remembered(objects[3])[0] == set()


def test_options_begin_alike_and_go_their_own_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ["--project", "abc-def", "--label", "a=b", "--other", "x"]
    plain = PipelineOptions(flags).view_as(GoogleCloudOptions)
    monkeypatch.setattr(PipelineOptions, "__init__", options_once(PipelineOptions.__init__))
    first, second = GoogleCloudOptions(flags), GoogleCloudOptions(list(flags))
    assert plain.get_all_options() == first.get_all_options() == second.get_all_options()
    first.project = "other"
    first.labels.append("c=d")
    first.view_as(StandardOptions).streaming = True
    third = GoogleCloudOptions(flags)
    for later in (second, third):
        assert (later.project, later.labels) == ("abc-def", ["a=b"])
        assert later.view_as(StandardOptions).streaming is False
    assert GoogleCloudOptions(["--project", "x"]).project == "x"
    assert GoogleCloudOptions(flags, project="y").project == "y"
    assert third.view_as(PipelineOptions).view_as(GoogleCloudOptions).labels is third.labels


def test_what_is_pickled_comes_back() -> None:
    remember()
    for value in ({"a": [1, 2]}, "x" * 100_000, {"a": [1, 2]}):
        assert pickler.loads(pickler.dumps(value)) == value
    first = pickler.loads(pickler.dumps({"a": [1]}))
    first["a"].append(2)
    assert pickler.loads(pickler.dumps({"a": [1]})) == {"a": [1]}


def test_a_copy_of_the_same_object_is_pickled_once_and_a_copy_each_time() -> None:
    pickled: list[object] = []

    def dumps(function: object) -> bytes:
        pickled.append(function)
        content: bytes = pickler.dumps(function)
        return content

    copied = pickled_once(dumps, pickler.loads)
    first, second = _KeptToo(), _KeptToo()
    copies = [copied(function) for function in (first, first, second)]
    assert pickled == [first, second]
    assert len({id(each) for each in (first, second, *copies)}) == 5
    assert {type(each) for each in copies} == {_KeptToo}


def test_a_function_is_asked_about_once_and_what_is_none_each_time() -> None:
    asked: list[object] = []

    def ask(called: object) -> bool:
        asked.append(called)
        return called is str.upper

    remembered = of_functions_once(ask)
    for _ in range(2):
        assert not remembered(_Plain().process)
        assert remembered(str.upper)
    assert len(asked) == 1 + 2
