"""`run.config`: what goes in, in whatever form, comes out, and each change is a record."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import enum
import importlib
import io
import json
import math
import pickle
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from runlog.errors import ArgumentTypeError, ConfigError, UsageError
from runlog.fold import config as fold
from runlog.records import Config, Entry
from runlog.run import config_sources
from runlog.run.config import RunConfig


class Kept:
    """Stands for the journal's end of a config: what was recorded, what was said."""

    def __init__(self, *, allow_val_change: bool = False) -> None:
        self.records: list[Config] = []
        self.said: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.closed = False
        self.config = RunConfig(self._append, allow_val_change=allow_val_change, report=self)

    def tell(self, message: str) -> None:
        self.said.append(message)

    def reject(self, call: str, error: Exception) -> None:
        self.refused.append((call, str(error)))

    def failed(self, call: str, error: Exception) -> None:
        self.said.append(f"{call}: {error}")

    def _append(self, record: Config) -> None:
        if self.closed:
            raise UsageError("the run is finished")
        self.records.append(record)

    def folded(self) -> dict[str, Any]:
        """The config as the records tell it."""
        state = fold.EMPTY
        for number, record in enumerate(self.records, 1):
            state = fold.apply(state, Entry(number, number, "w", record))
        return fold.result(state)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_values_are_read_as_items_and_as_attributes(kept: Kept) -> None:
    config = kept.config
    config.update({"lr": 0.1, "--batch-size-": 8, "_hidden": 1})
    config["name"] = "first"
    config.layers = [1, 2]
    assert (config.lr, config["batch-size"], config.get("name")) == (0.1, 8, "first")
    assert config.get("nothing") is None
    assert config.get("nothing", 3) == 3
    assert "lr" in config
    assert "nothing" not in config
    assert list(config) == ["lr", "batch-size", "name", "layers"]
    assert list(config.keys()) == list(config)
    assert dict(config.items()) == dict(config)
    assert len(config) == 4
    assert config["_hidden"] == 1
    assert config.as_dict() == {**dict(config), "_hidden": 1}
    assert repr(config) == repr(dict(config))
    assert kept.folded() == config.as_dict()
    with pytest.raises(AttributeError, match="no key 'nothing'"):
        _ = config.nothing
    with pytest.raises(KeyError):
        _ = config["nothing"]


def test_each_call_is_one_record_and_a_refused_one_is_none(kept: Kept) -> None:
    kept.config.update({"a": 1, "b": {"c": 2}})
    with pytest.raises(ConfigError, match="'a' is 1 and would become 2"):
        kept.config.update({"new": 1, "a": 2})
    with pytest.raises(ConfigError, match="'b'"):
        kept.config.update({"b": {"c": 2, "d": 3}})
    with pytest.raises(ConfigError):
        kept.config.a = 5
    kept.config.setdefaults({"a": 9, "e": 4})
    kept.config.setdefaults({"a": 9})
    kept.config.update({"a": 2}, allow_val_change=True)
    assert kept.records == [Config({"a": 1, "b": {"c": 2}}), Config({"e": 4}), Config({"a": 2})]
    assert "new" not in kept.config


def test_a_value_that_is_given_again_may_be(kept: Kept) -> None:
    kept.config.update({"a": math.nan, "b": [math.inf, -0.0], "c": {"d": math.nan}})
    kept.config.update({"a": math.nan, "b": [math.inf, -0.0], "c": {"d": math.nan}})
    assert math.isnan(kept.folded()["a"])


def test_values_may_change_where_that_is_the_default() -> None:
    kept = Kept(allow_val_change=True)
    kept.config.a = 1
    kept.config.a = 2
    with pytest.raises(ConfigError):
        kept.config.update({"a": 3}, allow_val_change=False)
    assert kept.folded() == {"a": 2}


@dataclasses.dataclass
class Options:
    lr: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    inner: Options | None = None


@dataclasses.dataclass(slots=True)
class Slotted:
    lr: float = 0.1


class Ready:
    rate = 0.5

    def method(self) -> None: ...


def absl_flags() -> Any:
    flags: Any = importlib.import_module("absl.flags")
    values = flags.FlagValues()
    flags.DEFINE_float("lr", 0.1, "", flag_values=values)
    flags.DEFINE_string("name", "first", "", flag_values=values)
    values(["program", "--lr=0.5"])
    return values


def flags_module() -> ModuleType:
    module = ModuleType("flags")
    module.FLAGS = absl_flags()  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"a": 1}, {"a": 1}),
        (argparse.Namespace(lr=0.1, name=None), {"lr": 0.1, "name": None}),
        (SimpleNamespace(lr=0.1), {"lr": 0.1}),
        (Options(), {"lr": 0.1, "sizes": [1, 2], "inner": None}),
        (Slotted(), {"lr": 0.1}),
        (Ready, {"rate": 0.5}),
        (absl_flags(), {"lr": 0.5, "name": "first"}),
        (flags_module(), {"lr": 0.5, "name": "first"}),
    ],
)
def test_hyperparameters_come_in_many_forms(
    kept: Kept, given: Any, found: Mapping[str, Any]
) -> None:
    kept.config.update(given)
    assert kept.folded() == dict(kept.config) == found


@pytest.mark.parametrize("given", [3, None, [("a", 1)], ("a",), 1.5, b"bytes"])
def test_what_has_no_names_is_refused(kept: Kept, given: Any) -> None:
    with pytest.raises(TypeError, match="config takes a mapping") as raised:
        kept.config.update(given)
    assert isinstance(raised.value, ArgumentTypeError)
    with pytest.raises(TypeError, match="config takes a mapping"):
        kept.config.setdefaults(given)
    assert kept.records == []


def test_names_must_be_text(kept: Kept) -> None:
    with pytest.raises(ArgumentTypeError, match="names must be str, not 1"):
        kept.config.update({1: 2})
    with pytest.raises(ArgumentTypeError, match="not valid Unicode"):
        kept.config.update({"\udc80": 2})
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(ArgumentTypeError, match="nested more than 64"):
        kept.config.update({"deep": deep})
    assert kept.records == []
    assert len(kept.config) == 0


class Colour(enum.Enum):
    RED = 1


def test_values_of_any_type_can_be_kept(kept: Kept) -> None:
    kept.config.update(
        {
            "path": Path("a/b"),
            "colour": Colour.RED,
            "float32": np.float32(0.1),
            "array": np.arange(3),
            "range": range(2),
            "slice": slice(1, None, 2),
            "labels": {0: "cat", True: "dog", None: "none", 2.5: "x", (1, 2): "pair"},
            "options": [Options(inner=Options())],
            "object": SimpleNamespace(a=1),
            "function": test_names_must_be_text,
            "huge": 10**30,
        }
    )
    found = kept.folded()
    assert found["path"] == str(Path("a/b"))
    assert found["colour"] == "RED"
    assert type(found["float32"]) is np.float32
    assert found["array"] == [0, 1, 2]
    assert found["range"] == [0, 1]
    assert found["slice"] == {"slice_start": 1, "slice_stop": None, "slice_step": 2}
    assert found["labels"] == {
        "0": "cat", "true": "dog", "null": "none", "2.5": "x", "(1, 2)": "pair",
    }  # fmt: skip
    assert kept.config.labels[0] == "cat", "the program finds its own keys"
    assert found["options"][0]["inner"]["lr"] == 0.1
    assert found["object"] == "namespace(a=1)"
    assert found["function"].endswith("test_names_must_be_text")
    assert found["huge"] == 10**30
    kept.config.update({"labels": {0: "cat", True: "dog", None: "none", 2.5: "x", (1, 2): "pair"}})


def test_what_is_changed_inside_a_nested_value_is_recorded(kept: Kept) -> None:
    kept.config.update({"net": {"width": 8, "name": "mlp"}, "layers": [1]})
    net = kept.config["net"]
    net["depth"] = 2
    kept.config["net"]["width"] = 16
    kept.config.layers.append(2)
    assert kept.config["net"] == {"width": 16, "name": "mlp", "depth": 2}
    kept.config.settle()
    assert kept.folded() == kept.config.as_dict()
    count = len(kept.records)
    assert kept.config.net.pop("name") == "mlp"
    kept.config.persist()
    assert kept.folded()["net"] == {"width": 16, "depth": 2}
    kept.config.settle()
    _ = kept.config.net, kept.config.layers
    assert len(kept.records) == count + 1, "what did not change is not recorded again"


def test_a_change_inside_that_cannot_be_recorded_is_told_once(kept: Kept) -> None:
    kept.config.update({"net": {"a": 1}})
    net = kept.config.net
    net["self"] = net
    for _ in range(3):
        assert kept.config.net is net
    assert len(kept.said) == 1
    assert "'net' could not be recorded" in kept.said[0]
    kept.config.update({"net": {"a": 2}}, allow_val_change=True)
    assert kept.folded() == {"net": {"a": 2}}


def test_reading_goes_on_after_the_end(kept: Kept) -> None:
    kept.config.update({"net": {"a": 1}})
    kept.config.net["b"] = 2
    kept.closed = True
    assert kept.config.net == {"a": 1, "b": 2}
    with pytest.raises(UsageError, match="finished"):
        kept.config.update({"c": 3})
    assert "c" not in kept.config


def test_copies_are_plain_dicts_of_their_own(kept: Kept) -> None:
    kept.config.update({"a": 1, "net": {"b": [1]}})
    copy = pickle.loads(pickle.dumps(dict(kept.config)))  # noqa: S301 - made on this line
    assert copy == json.loads(json.dumps(dict(kept.config))) == dict(kept.config)
    assert yaml.safe_load(yaml.safe_dump(dict(kept.config))) == copy
    plain = kept.config.as_dict()
    plain["net"]["b"].append(2)
    assert kept.config.net == {"b": [1]}
    given = {"mine": {"x": 1}}
    kept.config.update(given)
    given["mine"]["x"] = 2
    assert kept.config.mine == {"x": 1}


def test_locked_keys_stay_as_they_are(kept: Kept) -> None:
    kept.config.update({"lr": 0.5})
    kept.config.update_locked({"lr": 0.1}, "sweep", _allow_val_change=True)
    kept.config.lr = 0.7
    kept.config.update({"lr": 0.1, "other": 2}, allow_val_change=True)
    assert kept.config.is_locked("lr")
    assert not kept.config.is_locked("other")
    assert kept.config.as_dict() == kept.folded() == {"lr": 0.1, "other": 2}
    assert kept.said == ["config 'lr' was locked by sweep; it stays as it is"]
    with pytest.raises(ConfigError):
        kept.config.update_locked({"other": 3}, "launch")


def test_what_the_journal_has_already_is_not_recorded_again(kept: Kept) -> None:
    kept.config.update({"a": 5})
    kept.config.preload({"a": 1, "b": {"c": 2}})
    assert kept.config.as_dict() == {"a": 5, "b": {"c": 2}}
    with pytest.raises(ConfigError):
        kept.config.b = 3
    kept.config.b["c"] = 9
    kept.config.settle()
    assert kept.records == [Config({"a": 5}), Config({"b": {"c": 9}})]


# ---------------------------------------------------------------- files, and init's arguments


def test_a_yaml_file_gives_names_and_values(kept: Kept, tmp_path: Path) -> None:
    path = tmp_path / "special.yaml"
    path.write_text(
        "wandb_version: 1\n"
        "epochs: {desc: how long, value: 4}\n"
        "lr: 0.1\n"
        "net: {value: 3, width: 8}\n"
        "limit: .nan\n"
        "7: seven\n"
    )
    kept.config.update(str(path))
    found = kept.folded()
    assert math.isnan(found.pop("limit"))
    assert found == {"epochs": 4, "lr": 0.1, "net": {"value": 3, "width": 8}, "7": "seven"}
    empty = tmp_path / "empty.yml"
    empty.write_text("# nothing\n")
    assert config_sources.parse_config(empty) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("a: [1", "is no YAML"),
        ("- 1\n- 2\n", "holds no mapping"),
        ("wandb_version: 2\na: 1\n", "of a version that is not known"),
    ],
)
def test_a_file_that_is_no_config_is_refused(
    kept: Kept, tmp_path: Path, text: str | None, says: str
) -> None:
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        kept.config.update(str(path))
    assert kept.records == []


def test_without_pyyaml_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"pip install 'runlog-journal\[yaml\]'"):
        config_sources.parse_config(tmp_path / "a.yaml")


def test_keys_are_taken_or_left_out() -> None:
    given = {"a": 1, "b": 2, "c": 3}
    assert config_sources.parse_config(given, exclude=["a"]) == {"b": 2, "c": 3}
    assert config_sources.parse_config(given, include=("a", "x")) == {"a": 1}
    with pytest.raises(UsageError, match="not both"):
        config_sources.parse_config(given, exclude=["a"], include=["b"])


def test_defaults_lie_beside_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    assert config_sources.from_init(None, None, None, said.append) == {}
    (tmp_path / "config-defaults.yaml").write_text("lr: {value: 0.1}\nepochs: {value: 4}\n")
    assert config_sources.from_init({"lr-": 0.5}, None, None, said.append) == {
        "lr": 0.5,
        "epochs": 4,
    }
    assert said == []
    (tmp_path / "config-defaults.yaml").write_text("a: [1")
    assert config_sources.from_init({"lr": 0.5}, None, None, said.append) == {"lr": 0.5}
    assert len(said) == 1
    with pytest.raises(ArgumentTypeError):
        config_sources.from_init(3, None, None, said.append)


def test_a_warning_goes_to_stderr_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    config = RunConfig(lambda _: None)
    config.update_locked({"a": 1})
    config.a = 2
    assert out.getvalue() == "runlog: config 'a' was locked by the launcher; it stays as it is\n"


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))],  # noqa: S301 - its own
)
def test_a_copy_has_the_values_and_records_nothing(
    kept: Kept, copied: Callable[[RunConfig], RunConfig]
) -> None:
    kept.config.update({"lr": 0.1, "layers": [1], "_hidden": 2})
    other = copied(kept.config)
    assert (other.lr, other["_hidden"], dict(other)) == (0.1, 2, {"lr": 0.1, "layers": [1]})
    other.lr = 0.2
    other.layers.append(2)
    assert (kept.config.lr, kept.config.layers) == (0.1, [1])
    assert len(kept.records) == 1
