"""What Beam computes again in each run of a graph, remembered by a process of tests.

A batch graph asks inspect.signature 12,000 times for a few hundred methods, builds the parsers of
a few options 430 times, and compresses and decompresses 180 pickles: 0.4 of its 1.4 CPU seconds.
All three answer by what they are asked alone, so remembering them can hide no fault.
"""

from __future__ import annotations

import bz2
import copy
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from apache_beam.internal import cloudpickle_pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core

# Names of parameters, and defaults.
Parameters = tuple[list[str], list[Any]]


@functools.cache
def remember() -> None:
    """Let Beam remember, in this process and from now on."""
    core.get_function_args_defaults = parameters_once(core.get_function_args_defaults)
    PipelineOptions.__init__ = options_once(PipelineOptions.__init__)
    cloudpickle_pickler.bz2 = types.SimpleNamespace(
        compress=functools.lru_cache(4_096)(bz2.compress),
        decompress=functools.lru_cache(4_096)(bz2.decompress),
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


def options_once(begin: Callable[..., None]) -> Callable[..., None]:
    """Parse the same flags once for each class of options; each object has its own values."""
    known: dict[tuple[type, tuple[str, ...]], dict[str, Any]] = {}

    def begun(self: PipelineOptions, flags: Any = None, **kwargs: Any) -> None:
        if kwargs or not isinstance(flags, list):
            begin(self, flags, **kwargs)
            return
        key = (type(self), tuple(flags))
        if key not in known:
            begin(self, flags)
            known[key] = copy.deepcopy(vars(self))
        # Views of the same options share one list of flags.
        vars(self).update(copy.deepcopy(known[key]), _flags=flags)

    return begun
