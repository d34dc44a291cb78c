"""What `wandb` and its submodules answer in a process that `runlog exec` started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from runlog import shim
from runlog.shim import facade
from runlog.shim.names import SUBMODULES, TOP
from tests import extras

# Names of later parts of runlog: known, but of no use yet. One that is there now leaves this list.
LATER = {
    "Artifact", "ArtifactTTL", "Audio", "Bokeh", "Classes", "Graph", "Histogram", "Html", "Image",
    "JoinedTable", "Molecule", "Object3D", "PartitionedTable", "Plotly", "Table", "Video", "box3d",
    "plot_table", "bar", "confusion_matrix", "histogram", "line", "line_series", "pr_curve",
    "roc_curve", "scatter",
}  # fmt: skip


def python(source: str) -> Any:
    """What a Python that finds our wandb prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{source}"],
        env=shim.environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_metadata_and_module_tell_one_version() -> None:
    (folder,) = Path(shim.FOLDER).glob("*.dist-info")
    metadata = Parser().parsestr((folder / "METADATA").read_text())
    assert folder.name == f"wandb-{facade.VERSION}.dist-info"
    assert (metadata["Name"], metadata["Version"]) == ("wandb", facade.VERSION)


def test_every_name_is_there_or_known_to_come() -> None:
    extras.need("integrations")  # `wandb.lightgbm` and its like import these
    missing = python(
        """
import importlib, wandb
from runlog.shim.facade import Missing
from runlog.shim.names import SUBMODULES
missing = set()
for module in ["wandb", *(f"wandb.{name}" for name in SUBMODULES)]:
    place = importlib.import_module(module)
    for name in set(dir(place)) - {"run", "config", "summary"}:  # these follow the active run
        if isinstance(getattr(place, name), Missing):
            missing.add(name)
print(json.dumps(sorted(missing)))
"""
    )
    assert set(missing) == LATER


def test_names_follow_the_active_run() -> None:
    assert python(
        """
import wandb
before = wandb.run
run = wandb.init(mode="disabled", config={"lr": 1})
print(json.dumps([before, wandb.run is run, wandb.config.lr, wandb.config is run.config]))
"""
    ) == [None, True, 1, True]


def test_import_costs_no_more_than_runlog() -> None:
    extra = python(
        """
import runlog
before = set(sys.modules)
import wandb, wandb.sdk.lib, wandb.plot
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(loaded - {"runlog", "wandb"} - set(sys.stdlib_module_names))))
"""
    )
    assert extra == []


def test_a_python_that_never_imports_wandb_does_not_load_runlog() -> None:
    assert python("print(json.dumps([n for n in sys.modules if 'runlog' in n]))") == []


@pytest.mark.parametrize(
    ("statement", "error", "sentence"),
    [
        ("wandb.no_such", "AttributeError", "module 'wandb' has no attribute 'no_such' (runlog"),
        ("wandb.sdk.no_such", "AttributeError", "module 'wandb.sdk' has no attribute 'no_such'"),
        ("import wandb.no_such", "ModuleNotFoundError", "No module named 'wandb.no_such' (runlog"),
        ("from wandb import no_such", "ImportError", "cannot import name 'no_such' from 'wandb'"),
        ("wandb.Table(columns=[])", "UnsupportedError", "wandb.Table is not in runlog yet"),
        ("wandb.plot.bar(1, 2)", "UnsupportedError", "wandb.plot.bar is not in runlog yet"),
    ],
)
def test_what_runlog_lacks_says_so(statement: str, error: str, sentence: str) -> None:
    told = python(
        f"""
import wandb
try:
    exec({statement!r})
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    )
    assert told[0] == error
    assert told[1].startswith(sentence)


def test_a_name_that_is_to_come_can_be_imported_and_compared_with() -> None:
    assert python(
        """
from wandb import Artifact, Image
from wandb.sdk.data_types.image import Image as Same
def log(value: "Image | None") -> Artifact | None: ...
print(json.dumps([isinstance(3, Image), Same is Image, hasattr(Image, "from_path")]))
"""
    ) == [False, True, False]


def test_what_libraries_were_found_to_do() -> None:
    assert python(
        """
import importlib.metadata, importlib.util, os
assert importlib.util.find_spec("wandb") and importlib.util.find_spec("wandb.sdk.lib")
assert importlib.metadata.metadata("wandb")["Name"] == "wandb"
assert "wandb" in importlib.metadata.packages_distributions()
import wandb
assert hasattr(wandb, "run") and getattr(wandb, "define_metric", None)
wandb.require("service")
wandb.login(key="secret", relogin=True)
from wandb.sdk.lib import RunDisabled, telemetry
from wandb.wandb_run import Run
from wandb.sdk.lib.config_util import ConfigError
from wandb.errors import CommError, UsageError
assert issubclass(CommError, wandb.Error) and issubclass(UsageError, wandb.Error)
with telemetry.context() as told:
    told.feature.keras = True
run = wandb.init(mode="disabled")
assert isinstance(run, wandb.sdk.wandb_run.Run) and not isinstance(run, RunDisabled)
run._label(code="transformers_trainer")
try:
    wandb.config["a"] = 1
    wandb.config["a"] = 2
except ConfigError:
    pass
wandb.finish()
import wandb.env
wandb.env.set_project("named")
assert os.environ["WANDB_PROJECT"] == wandb.env.get_project() == "named"
wandb.termwarn("once", repeat=False)
assert len(wandb.util.generate_id()) == 8 and len(wandb.sdk.lib.runid.generate_id(12)) == 12
print("true")
"""
    )


def test_the_tables_name_parents_of_all_submodules() -> None:
    for name in SUBMODULES:
        parent = name.rpartition(".")[0]
        assert not parent or parent in SUBMODULES, name
    assert not set(TOP) & set(SUBMODULES), "a submodule comes first"
