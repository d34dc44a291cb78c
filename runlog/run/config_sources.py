"""What `init(config=)` and `config.update` take: hyperparameters, in whatever form they come."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from runlog.errors import ArgumentTypeError, ConfigError, UsageError
from runlog.run.storable import mapping, storable

DEFAULTS: Final = "config-defaults.yaml"
"""File beside the program whose values a run's config has at first."""

_MAX_DEPTH: Final = 64
_PLAIN: Final = frozenset({int, float, bool, str, type(None)})


def parse_config(
    params: Any,
    exclude: Collection[str] | None = None,
    include: Collection[str] | None = None,
) -> dict[str, Any]:
    """Hyperparameters by name.

    Args:
        params: a mapping; the path of a YAML file; an argparse namespace, a dataclass or any other
            object with attributes; absl's or TensorFlow's flags, or the module that holds them.
        exclude: names to leave out.
        include: the only names to take; not together with `exclude`.

    Raises:
        ArgumentTypeError: `params` is none of these.
        ConfigError: a file cannot be read.
        UsageError: both `exclude` and `include` are given.
    """
    if exclude and include:
        raise UsageError("give the keys to exclude or those to include, not both")
    found = _named(params)
    if include:
        return {k: v for k, v in found.items() if k in include}
    return {k: v for k, v in found.items() if k not in (exclude or ())}


def _named(params: Any) -> dict[str, Any]:
    if isinstance(params, Mapping):
        return dict(params)
    if isinstance(params, str | os.PathLike):
        return read_yaml(Path(params))
    if isinstance(params, ModuleType) and hasattr(params, "FLAGS"):
        params = params.FLAGS
    if hasattr(params, "flag_values_dict"):  # absl's flags, which TensorFlow's are too
        return dict(params.flag_values_dict())
    if hasattr(type(params), "__dataclass_fields__"):
        return _of_dataclass(params)
    if isinstance(params, type | ModuleType):
        public = {k: v for k, v in vars(params).items() if not k.startswith("__")}
        return {k: v for k, v in public.items() if not callable(v) and type(v) is not ModuleType}
    if hasattr(params, "__dict__"):
        return dict(vars(params))
    raise ArgumentTypeError(
        f"config takes a mapping, a YAML file's path, or an object with attributes such as an "
        f"argparse namespace, not a {type(params).__name__}"
    )


# ---------------------------------------------------------------- files


def read_yaml(path: Path) -> dict[str, Any]:
    """Hyperparameters of a YAML file: `name: value`, or `name: {value: ..., desc: ...}`.

    Raises:
        ConfigError: it is not there, is no YAML mapping, or PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            f"reading {path} needs PyYAML; install it with: pip install 'runlog-journal[yaml]'"
        ) from None
    try:
        with path.open(encoding="utf-8") as file:
            found = yaml.safe_load(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config file {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"the config file {path} is no YAML: {error}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"the config file {path} holds no mapping of names to values")
    if found.pop("wandb_version", 1) != 1:
        raise ConfigError(f"the config file {path} is of a version that is not known")
    return {str(name): _without_description(value) for name, value in found.items()}


def _without_description(value: Any) -> Any:
    described = isinstance(value, dict) and "value" in value and value.keys() <= {"value", "desc"}
    return value["value"] if described else value


def from_init(
    config: Any,
    exclude: Collection[str] | None,
    include: Collection[str] | None,
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """The config with which a run begins: what `init` was given, over the program's defaults.

    Args:
        config: as for `parse_config`; None for nothing.
        exclude: names to leave out.
        include: the only names to take.
        warn: called with one line about a defaults file that cannot be used.

    Raises:
        ArgumentTypeError, ConfigError, UsageError: see `parse_config`; also if a value cannot be
            stored.
    """
    given = parse_config({} if config is None else config, exclude, include)
    defaults: dict[str, Any] = {}
    for path in _defaults_files():
        if path.is_file():
            try:
                defaults = read_yaml(path)
            except ConfigError as error:
                warn(str(error))
            break
    return cleaned({**cleaned(defaults), **cleaned(given)})


def _defaults_files() -> list[Path]:
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    beside = [Path(program).parent] if isinstance(program, str) else []
    return [folder / DEFAULTS for folder in (*beside, Path())]


# ---------------------------------------------------------------- values


def cleaned(values: Mapping[str, Any]) -> dict[str, Any]:
    """Config values as the program gets them back; "-" at the ends of names is dropped.

    Lists, dicts, numbers, text, True, False and None; numpy numbers keep their width. Keys of
    nested dicts stay as they are. What is none of these becomes its text.

    Raises:
        ArgumentTypeError: a name is not a str, or values are nested too deeply.
    """
    for name in values:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"config: names must be str, not {name!r}")
    out = {name.strip("-"): _cleaned(value, name, 0) for name, value in values.items()}
    stored(out)  # raises for text that cannot be stored
    return out


def _of_dataclass(value: Any) -> dict[str, Any]:
    import dataclasses  # deferred: slow to import, and here only if the script has done so already

    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _cleaned(value: Any, name: str, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if depth > _MAX_DEPTH:
        raise ArgumentTypeError(f"config: {name!r} is nested more than {_MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {_key(k): _cleaned(v, name, depth + 1) for k, v in value.items()}
    if hasattr(type(value), "__dataclass_fields__"):
        return _cleaned(_of_dataclass(value), name, depth)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [_cleaned(v, name, depth + 1) for v in value]
    if isinstance(value, slice):
        return {f"slice_{part}": getattr(value, part) for part in ("start", "stop", "step")}
    try:
        return storable(value, f"config: {name!r}", depth)
    except ArgumentTypeError:
        return str(value)  # a path, a device, a dtype: for people to read


def _key(key: Any) -> Any:
    return key if type(key) in _PLAIN else str(key)


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Config values as a record has them: keys of nested dicts as JSON writes them.

    Raises:
        ArgumentTypeError: they cannot be stored.
    """
    return mapping(values, "config")
