"""Modules that answer as those of wandb, made from the tables in `names`.

A name resolves when it is asked for, so `import wandb` loads no more than `import runlog`. An
unknown one raises AttributeError or ModuleNotFoundError with a sentence that says whose module
this is.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from functools import cache, partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Final, NoReturn

import runlog
from runlog.shim.names import SUBMODULES, TOP, Names

VERSION: Final = "0.19.8"
"""Version of wandb whose surface is followed; `path/` has metadata to match."""

_HINT: Final = (
    f"runlog {runlog.__version__} stands in for wandb here; to run with an installed wandb, set "
    f"RUNLOG_EXEC=off or leave out `runlog exec`"
)


class Missing(type):
    """Class of the names that wandb has and runlog lacks: known, but of no use yet."""

    def __call__(cls, *args: Any, **options: Any) -> NoReturn:
        """Refuse.

        Raises:
            runlog.UnsupportedError: always.
        """
        del args, options
        raise runlog.UnsupportedError(
            f"{cls.__module__}.{cls.__name__} is not in runlog yet ({_HINT})"
        )


def names(module: str = "") -> list[str]:
    """What `dir` of a submodule shows, or of `wandb` itself."""
    start = f"{module}." if module else ""
    below = [name.removeprefix(start) for name in SUBMODULES if name.startswith(start)]
    return sorted({*_table(module), *(name for name in below if "." not in name)})


def open_door() -> None:
    """Let `import wandb.<submodule>` find what the tables have; once per process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _table(module: str) -> Names:
    names = SUBMODULES[module] if module else TOP
    if "*" not in names:
        return names
    place = names["*"]
    return {name: f"{place}:{name}" for name in importlib.import_module(place).__all__}


def attribute(module: str, name: str) -> Any:
    """An attribute of a submodule, or of `wandb` itself where `module` is empty.

    Raises:
        AttributeError: neither the tables nor a submodule have it.
    """
    full = f"wandb.{module}" if module else "wandb"
    if f"{full}.{name}".removeprefix("wandb.") in SUBMODULES:
        return importlib.import_module(f"{full}.{name}")
    source = _table(module).get(name)
    if source is None:
        raise AttributeError(f"module {full!r} has no attribute {name!r} ({_HINT})")
    value = _value(source)
    if isinstance(value, type | FunctionType):
        setattr(sys.modules[full], name, value)  # so that the next use costs nothing
    return value


def _value(source: str) -> Any:
    place, _, name = source.partition(":")
    try:
        return getattr(importlib.import_module(place), name)
    except ModuleNotFoundError as error:
        if error.name != place:  # a library that a module of runlog needs
            raise
    except AttributeError:
        pass
    return _missing(place.replace("runlog", "wandb", 1), name)


@cache
def _missing(module: str, name: str) -> Missing:
    return Missing(name, (), {"__module__": module})


class _Finder(MetaPathFinder, Loader):
    """Finds and makes the submodules of `wandb`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        package, _, name = fullname.partition(".")
        if package != "wandb" or not name:
            return None
        if name not in SUBMODULES:
            raise ModuleNotFoundError(f"No module named {fullname!r} ({_HINT})", name=fullname)
        has_more = any(other.startswith(f"{name}.") for other in SUBMODULES)
        return ModuleSpec(fullname, self, origin="runlog", is_package=has_more)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__.partition(".")[2]
        vars(module)["__getattr__"] = partial(attribute, name)
        vars(module)["__dir__"] = partial(names, name)
