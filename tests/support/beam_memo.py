"""What Beam computes again in each run of a graph, remembered by a process of tests.

A batch graph asks inspect.signature 12,000 times for a few hundred methods, goes 400 times through
all methods of a few classes for state and timers, reads the source of each function for yields,
builds the parsers of a few options 430 times, and compresses and decompresses 180 pickles: half of
its 1.4 CPU seconds. The runner of streams pickles a DoFn anew for each bundle.
All of these answer by what they are asked alone, so remembering them can hide no fault. What helps
people alone is left out: where in the source a type hint was given.
"""

from __future__ import annotations

import argparse
import bz2
import copy
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct import transform_evaluator
from apache_beam.runners.worker import statecache
from apache_beam.transforms import core, userstate
from apache_beam.typehints import decorators

_SMALL: Final = 1_000
# Names of parameters, and defaults.
Parameters = tuple[list[str], list[Any]]
# Of state, and of timers.
Specs = tuple[set[Any], set[Any]]


@functools.cache
def remember() -> None:
    """Let Beam remember, in this process and from now on."""
    core.get_function_args_defaults = parameters_once(core.get_function_args_defaults)
    userstate.get_dofn_specs = specs_once(userstate.get_dofn_specs)
    transform_evaluator.get_dofn_specs = userstate.get_dofn_specs
    core._check_fn_use_yield_and_return = of_functions_once(core._check_fn_use_yield_and_return)
    # The runner of streams runs a copy of a DoFn in each bundle, and never the DoFn itself.
    transform_evaluator.pickler = types.SimpleNamespace(
        roundtrip=pickled_once(cloudpickle_pickler._dumps, cloudpickle_pickler._loads)
    )
    PipelineOptions.__init__ = options_once(PipelineOptions.__init__)
    # Where in the source a type hint was given, and how large what is cached of side inputs is, by
    # a walk through all modules: of a few rows, in a cache of 100 MB.
    decorators.traceback = types.SimpleNamespace(format_stack=lambda limit: [])
    statecache.get_deep_size = lambda *values: _SMALL
    cloudpickle_pickler.bz2 = types.SimpleNamespace(
        compress=functools.lru_cache(4_096)(bz2.compress),
        decompress=functools.lru_cache(4_096)(bz2.decompress),
    )


@functools.cache
def remember_alone() -> None:
    """The same in a process whose pickles no other one reads, which stay as they are."""
    remember()
    cloudpickle_pickler.bz2 = types.SimpleNamespace(
        compress=lambda data, compresslevel: data, decompress=lambda data: data
    )


def parameters_once(ask: Callable[[Any], Parameters]) -> Callable[[Any], Parameters]:
    """Ask for the parameters of a function once; bound to an object it has one less."""
    bound: WeakKeyDictionary[Any, Parameters] = WeakKeyDictionary()
    free: WeakKeyDictionary[Any, Parameters] = WeakKeyDictionary()

    def asked(called: Any) -> Parameters:
        known = bound if inspect.ismethod(called) else free
        function = getattr(called, "__func__", called)
        if not inspect.isfunction(function):
            return ask(called)
        if function not in known:
            known[function] = ask(called)
        names, defaults = known[function]
        return list(names), list(defaults)

    return asked


def of_functions_once(ask: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Ask of each function of Python once, bound to whatever object."""
    known: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

    def asked(called: Any) -> bool:
        function = getattr(called, "__func__", called)
        if not inspect.isfunction(function):
            return ask(called)
        if function not in known:
            known[function] = ask(called)
        return known[function]

    return asked


def specs_once(ask: Callable[[Any], Specs]) -> Callable[[Any], Specs]:
    """Ask once for each class of DoFns and the methods that an object's own values hide; ask for
    each object that has methods of its own, or says by itself what parameters one has."""
    known: WeakKeyDictionary[type, dict[frozenset[str], Specs]] = WeakKeyDictionary()
    described: WeakKeyDictionary[type, set[str]] = WeakKeyDictionary()

    def asked(function: Any) -> Specs:
        kind, own = type(function), vars(function)
        if kind not in described:
            prefix = "_inspect_"
            told = (name for name in dir(kind) if name.startswith(prefix))
            described[kind] = {name.removeprefix(prefix) for name in told}
        hidden = frozenset(name for name in own if callable(getattr(kind, name, None)))
        if not described[kind] <= hidden or any(map(inspect.ismethod, own.values())):
            return ask(function)
        answers = known.setdefault(kind, {})
        if hidden not in answers:
            answers[hidden] = ask(function)
        states, timers = answers[hidden]
        return set(states), set(timers)

    return asked


def pickled_once(
    dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]
) -> Callable[..., Any]:
    """A copy by way of a pickle that is made once for each object; none may change meanwhile."""
    known: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()

    def copied(function: Any) -> Any:
        if function not in known:
            known[function] = dumps(function)
        return loads(known[function])

    return copied


def options_once(begin: Callable[..., None]) -> Callable[..., None]:
    """Parse the same flags once for each class of options; each object has its own values."""
    known: dict[tuple[type, tuple[str, ...]], Callable[[], Any]] = {}

    def begun(self: PipelineOptions, flags: Any = None, **kwargs: Any) -> None:
        if kwargs or not isinstance(flags, list):
            begin(self, flags, **kwargs)
            return
        key = (type(self), tuple(flags))
        if key not in known:
            begin(self, flags)
            known[key] = copier(copy.deepcopy(vars(self)))
        # Views of the same options share one list of flags.
        vars(self).update(known[key](), _flags=flags)

    return begun


def copier(values: Any) -> Callable[[], Any]:
    """What copies values of options, or a view of them; deepcopy takes fifty times as long."""
    if isinstance(values, argparse.Namespace):
        copied = copier(vars(values))
        return lambda: argparse.Namespace(**copied())
    if type(values) is dict:
        others = {name: copier(value) for name, value in values.items() if not _is_plain(value)}
        return lambda: {**values, **{name: copied() for name, copied in others.items()}}
    return lambda: copy.deepcopy(values)


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int, bool, type(None))
