"""Methods of the Run API that deal with artifacts: their signatures, until there is a store."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import PurePath
from typing import Any, NoReturn

from runlog.errors import UnsupportedError
from runlog.run.facade import Facade, nothing, public

Path = str | os.PathLike[str]


def is_code(path: str) -> bool:
    """Whether a file is part of a program's source: Python, requirements, a Dockerfile."""
    name = PurePath(path).name
    return path.endswith(".py") or name == "requirements.txt" or name.startswith("Dockerfile")


def is_tracker_file(path: str, root: str) -> bool:
    """Whether a file was written by an experiment tracker below `root`."""
    return PurePath(os.path.relpath(path, root)).parts[0] in {"runs", "wandb", ".wandb"}


class ArtifactCalls(Facade):
    """Artifact and model calls. This version has no artifact store, and says so when called.

    A script that would lose an artifact must hear of it at once. The call is in the journal, as
    one that was refused.
    """

    @public(nothing)
    def log_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: list[str] | None = None,
        tags: list[str] | None = None,
    ) -> Any:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del artifact_or_path, name, type, aliases, tags
        self._no_artifacts("log_artifact")

    @public(nothing)
    def upsert_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: list[str] | None = None,
        distributed_id: str | None = None,
    ) -> Any:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del artifact_or_path, name, type, aliases, distributed_id
        self._no_artifacts("upsert_artifact")

    @public(nothing)
    def finish_artifact(
        self,
        artifact_or_path: Any,
        name: str | None = None,
        type: str | None = None,
        aliases: list[str] | None = None,
        distributed_id: str | None = None,
    ) -> Any:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del artifact_or_path, name, type, aliases, distributed_id
        self._no_artifacts("finish_artifact")

    @public(nothing)
    def use_artifact(
        self,
        artifact_or_name: Any,
        type: str | None = None,
        aliases: list[str] | None = None,
        use_as: str | None = None,
    ) -> Any:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del artifact_or_name, type, aliases, use_as
        self._no_artifacts("use_artifact")

    @public(nothing)
    def link_artifact(
        self, artifact: Any, target_path: str, aliases: list[str] | None = None
    ) -> None:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del artifact, target_path, aliases
        self._no_artifacts("link_artifact")

    @public(nothing)
    def log_code(
        self,
        root: str | None = ".",
        name: str | None = None,
        include_fn: Callable[..., bool] = is_code,
        exclude_fn: Callable[..., bool] = is_tracker_file,
    ) -> Any:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del root, name, include_fn, exclude_fn
        self._no_artifacts("log_code")

    @public(nothing)
    def log_model(
        self, path: Path, name: str | None = None, aliases: list[str] | None = None
    ) -> None:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del path, name, aliases
        self._no_artifacts("log_model")

    @public(nothing)
    def use_model(self, name: str) -> str:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del name
        self._no_artifacts("use_model")

    @public(nothing)
    def link_model(
        self,
        path: Path,
        registered_model_name: str,
        name: str | None = None,
        aliases: list[str] | None = None,
    ) -> None:
        """Not supported yet.

        Raises:
            UnsupportedError: always.
        """
        del path, registered_model_name, name, aliases
        self._no_artifacts("link_model")

    def _no_artifacts(self, call: str) -> NoReturn:
        self._recorder.check_open(call)
        raise UnsupportedError(
            f"{call}() needs the artifact store, which this version of runlog does not have; to "
            f"keep files with the run, call run.save(path)"
        )
