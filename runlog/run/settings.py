"""Settings of a run: from arguments, else `RUNLOG_*`, else `WANDB_*` where it means the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import frozen
from runlog.within import without_controls

Mode = Literal["offline", "online", "shared", "disabled"]
MODES: Final = ("offline", "online", "shared", "disabled")
_OLD_MODES: Final = {"dryrun": "offline", "run": "online"}
CONSOLES: Final = ("wrap", "redirect", "off")
RESUMES: Final = ("allow", "must", "never", "auto")
REINITS: Final = ("default", "return_previous", "finish_previous", "create_new")

_ALIASES: Final = {
    "root_dir": "root",
    "dir": "root",
    "x_stats_sampling_interval": "system_interval",
    "x_label": "label",
    "x_start_time": "start_time",
}
"""W&B's word -> ours."""

_NEGATED: Final = {
    "disable_git": "git",
    "x_disable_stats": "system",
    "x_disable_meta": "environment",
    "x_disable_machine_info": "system",
}
"""W&B's switches that turn something off -> ours that turns it on."""

_WITHOUT_EFFECT: Final = frozenset(
    (
        "allow_offline_artifacts", "anonymous", "api_key", "azure_account_url_to_access_key",
        "base_url", "code_dir", "config_paths", "console_multipart", "credentials_file",
        "disable_code", "disable_job_creation", "docker", "email", "force", "git_commit",
        "git_remote", "git_remote_url", "git_root", "heartbeat_seconds", "http_proxy",
        "https_proxy", "identity_token_file", "ignore_globs", "init_timeout",
        "insecure_disable_ssl", "job_name", "job_source", "label_disable", "launch",
        "launch_config_path", "login_timeout", "notebook_name", "organization", "program_abspath",
        "program_relpath", "relogin", "resumed", "sagemaker_disable", "save_code",
        "settings_system", "show_colors", "show_emoji", "show_errors", "show_info",
        "show_warnings", "start_method", "strict", "summary_timeout", "summary_warnings",
        "sweep_param_path", "symlink", "sync_tensorboard", "username", "app_url",
        "table_raise_on_max_row_limit_exceeded", "finish_timeout", "finish_timeout_raises",
        "max_end_of_run_history", "max_end_of_run_summary_metrics", "monitor_gym",
    )
)  # fmt: skip
"""Settings of W&B that mean nothing here: taken and kept, so that its scripts run."""


@frozen(slots=False)
class Settings:
    """How a run is written, and what it is called.

    Give any of these by name; also W&B's names for them, and those of its settings
    that have no meaning here (they are kept, and can be read back).

    Attributes:
        root: folder of all runs; `RUNLOG_DIR`, default `runs`.
        mode: "offline" writes a journal; "online" does too and will sync it once there is a server
            to sync to; "shared" lets many processes write to one run; "disabled" writes nothing,
            and every call works. `RUNLOG_MODE`.
        fsync_interval: seconds between syncs to disk, which a crash of the machine (not of the
            process) may cost; 0 syncs every record, None leaves it to the system.
            `RUNLOG_FSYNC_INTERVAL`.
        seal_bytes: size at which open tails are sealed into chunks; at 8,192 records in any case.
        quiet: print nothing but trouble. `RUNLOG_QUIET`.
        silent: print nothing at all. `RUNLOG_SILENT`.
        steps: what becomes of a step already behind: "keep" it, marked late, or be "strict" and
            raise.
        arrays: what is kept of a logged array of more than 32 numbers: a "histogram", as in W&B, or
            the "whole" array as a list. `RUNLOG_ARRAYS`.
        console: how output is captured: "wrap" (what Python prints), "redirect" (also what C code
            and subprocesses print) or "off".
        system: sample the machine's and the process's state.
        system_interval: seconds between two samples.
        environment: record what the process runs on.
        git: record the state of the git repository around the program.
        redact_config: names of hyperparameters whose values are not to be written: patterns such as
            `*key*` or `db.password`, of a key at any depth or of the whole path to it. The journal
            has `***` in their place; the program has the values. `RUNLOG_REDACT_CONFIG`, separated
            by commas.
        entity, project, run_id, run_name, run_notes, run_tags, run_group, run_job_type: what the
            run is called, where `init` was not given one.
        resume: as `init`'s argument.
        resume_from, fork_from: as `init`'s arguments.
        reinit: as `init`'s argument.
        allow_val_change: config values may change.
        rank: of the process in distributed training; None to take it from the environment.
        label: of the process, for runs with many writers.
        sweep_id: of the sweep that started the run.
        program: script to name as the run's program.
        host: machine to name.
        start_time: seconds since the Unix epoch; None for now.
        others: settings of W&B without a meaning here.
    """

    root: Path = Path("runs")
    mode: Mode = "offline"
    fsync_interval: float | None = 5.0
    seal_bytes: int = 8 << 20
    quiet: bool = False
    silent: bool = False
    steps: Literal["keep", "strict"] = "keep"
    arrays: Literal["histogram", "whole"] = "histogram"
    console: Literal["wrap", "redirect", "off"] = "wrap"
    system: bool = True
    system_interval: float = 15.0
    environment: bool = True
    git: bool = True
    redact_config: tuple[str, ...] = ()
    entity: str | None = None
    project: str | None = None
    run_id: str | None = None
    run_name: str | None = None
    run_notes: str | None = None
    run_tags: tuple[str, ...] | None = None
    run_group: str | None = None
    run_job_type: str | None = None
    resume: str | None = None
    resume_from: str | None = None
    fork_from: str | None = None
    reinit: str = "default"
    allow_val_change: bool = False
    rank: int | None = None
    label: str | None = None
    sweep_id: str | None = None
    program: str | None = None
    host: str | None = None
    start_time: float | None = None
    others: Mapping[str, Any] = None  # type: ignore[assignment] # always set, by __init__

    def __init__(self, **given: Any) -> None:
        values, others = _translate(given)
        for name, default in DEFAULTS.items():
            object.__setattr__(self, name, values.get(name, default))
        object.__setattr__(self, "others", others)
        object.__setattr__(self, "_given", frozenset(values))

    def __getattr__(self, name: str) -> Any:
        others = self.__dict__.get("others") or {}
        if name in others:
            return others[name]
        if name in _ALIASES:
            return getattr(self, _ALIASES[name])
        if name in _WITHOUT_EFFECT or (name.startswith("x_") and name not in _NEGATED):
            return None
        raise AttributeError(f"there is no setting {name!r}")

    def replace(self, **changes: Any) -> Settings:
        """These settings with some of them changed."""
        given = {name: getattr(self, name) for name in self.__dict__["_given"]}
        return Settings(**{**given, **self.others, **changes})

    def changed(self) -> dict[str, Any]:
        """Those that are not as they are by default, as storable values, for the journal."""
        out = {}
        for name, default in DEFAULTS.items():
            value = getattr(self, name)
            if value != default or name in _ALWAYS_RECORDED:
                out[name] = str(value) if isinstance(value, Path) else value
        return out


DEFAULTS: Final[dict[str, Any]] = {
    name: getattr(Settings, name) for name in Settings.__annotations__ if name != "others"
}
_ALWAYS_RECORDED: Final = {"mode", "fsync_interval", "seal_bytes"}


def _translate(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings by our names, checked, and those without a meaning here."""
    values: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for key, value in given.items():
        name = f"x{key}" if key.startswith("_") else key
        if name in _NEGATED:
            name, value = _NEGATED[name], not _switch(name, value)  # noqa: PLW2901 - the same one
        name = _ALIASES.get(name, name)
        if name in _CHECKS and name in DEFAULTS:
            if value is not None or name in _NONE_MEANS_SOMETHING:
                values[name] = _CHECKS[name](name, value)
        elif name in _WITHOUT_EFFECT or name.startswith("x_"):
            others[name] = value
        else:
            raise ArgumentValueError(
                f"there is no setting {key!r}; there are: {', '.join(sorted(DEFAULTS))}"
            )
    return values, others


# ---------------------------------------------------------------- checks, one a kind of setting


def _switch(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str) and value.lower() in _YES | _NO:
        return value.lower() in _YES
    raise ArgumentValueError(f"{name} must be true or false, not {value!r}")


_YES: Final = {"1", "true", "yes", "on", "y", "t"}
_NO: Final = {"0", "false", "no", "off", "n", "f", ""}


def _word(name: str, value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} must be a str, not {type(value).__name__}")
    return value


def _one_of(words: Iterable[str], **also: str) -> Callable[[str, Any], str]:
    known = tuple(words)

    def check(name: str, value: object) -> str:
        if isinstance(value, str):
            value = also.get(value, value)
            if value in known:
                return str(value)
        elif not isinstance(value, str):
            raise ArgumentTypeError(f"{name} must be a str, not {type(value).__name__}")
        raise ArgumentValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")

    return check


def _path(name: str, value: object) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise ArgumentTypeError(f"{name} must be a path, not {type(value).__name__}")
    path = Path(os.fsdecode(os.fspath(value)))
    without_controls(name, str(path))
    return path


def _interval(name: str, value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ArgumentValueError(f"{name} must be seconds, not {value!r}") from None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ArgumentValueError(f"{name} must be seconds from 0 on, not {value!r}")
    return value


def _sampling(name: str, value: object) -> float:
    seconds = _interval(name, value)
    if seconds is None or seconds < 0.1:
        raise ArgumentValueError(f"{name} must be at least 0.1 seconds, not {value!r}")
    return float(seconds)


def _seal(name: str, value: object) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or not 4096 <= value <= 1 << 28:
        raise ArgumentValueError(f"{name} must be from 4,096 to 268,435,456")
    return value


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    try:
        found = tuple(dict.fromkeys(value))
    except TypeError:
        raise ArgumentTypeError(f"{name} must be a list of str, not {value!r}") from None
    for word in found:
        if not isinstance(word, str):
            raise ArgumentTypeError(f"{name} must be a list of str, not of {type(word).__name__}")
    return found


def _resume(name: str, value: object) -> str | None:
    if value is False:
        return None
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        value = value.lower() == "true"
        if not value:
            return None
    if value is True:
        return "auto"
    return _one_of(RESUMES)(name, value)


def _reinit(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "finish_previous" if value else "return_previous"
    if isinstance(value, str) and value.lower() in _YES | _NO:
        return "finish_previous" if value.lower() in _YES else "return_previous"
    return _one_of(REINITS)(name, value)


def _rank(name: str, value: object) -> int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ArgumentValueError(f"{name} must be a whole number from 0 on, not {value!r}")
    return value


_console = _one_of(CONSOLES, auto="wrap", wrap_raw="wrap", wrap_emu="wrap")

_NONE_MEANS_SOMETHING: Final = {"fsync_interval"}
_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "root": _path,
    "mode": _one_of(MODES, **_OLD_MODES),
    "fsync_interval": _interval,
    "seal_bytes": _seal,
    "steps": _one_of(("keep", "strict")),
    "arrays": _one_of(("histogram", "whole")),
    "console": _console,
    "system_interval": _sampling,
    "run_tags": _words,
    "redact_config": _words,
    "resume": _resume,
    "reinit": _reinit,
    "rank": _rank,
    "start_time": _interval,
    **dict.fromkeys(
        ("quiet", "silent", "system", "environment", "git", "allow_val_change"), _switch
    ),
    **dict.fromkeys(
        (
            "entity", "project", "run_id", "run_name", "run_notes", "run_group", "run_job_type",
            "resume_from", "fork_from", "label", "sweep_id", "program", "host",
        ),
        _word,
    ),
}  # fmt: skip


# ---------------------------------------------------------------- environment

VARIABLES: Final = {
    "DIR": "root",
    "MODE": "mode",
    "FSYNC_INTERVAL": "fsync_interval",
    "SEAL_BYTES": "seal_bytes",
    "QUIET": "quiet",
    "SILENT": "silent",
    "STEPS": "steps",
    "ARRAYS": "arrays",
    "CONSOLE": "console",
    "SYSTEM": "system",
    "SYSTEM_INTERVAL": "system_interval",
    "ENVIRONMENT": "environment",
    "GIT": "git",
    "REDACT_CONFIG": "redact_config",
    "DISABLE_GIT": "disable_git",
    "_DISABLE_STATS": "x_disable_stats",
    "X_DISABLE_STATS": "x_disable_stats",
    "_DISABLE_META": "x_disable_meta",
    "X_DISABLE_META": "x_disable_meta",
    "_STATS_SAMPLING_INTERVAL": "system_interval",
    "X_STATS_SAMPLING_INTERVAL": "system_interval",
    "ENTITY": "entity",
    "PROJECT": "project",
    "RUN_ID": "run_id",
    "NAME": "run_name",
    "RUN_NAME": "run_name",
    "NOTES": "run_notes",
    "TAGS": "run_tags",
    "RUN_GROUP": "run_group",
    "JOB_TYPE": "run_job_type",
    "RESUME": "resume",
    "RESUME_FROM": "resume_from",
    "FORK_FROM": "fork_from",
    "REINIT": "reinit",
    "ALLOW_VAL_CHANGE": "allow_val_change",
    "RANK": "rank",
    "X_LABEL": "label",
    "SWEEP_ID": "sweep_id",
    "PROGRAM": "program",
    "HOST": "host",
}
"""Environment variable without `RUNLOG_` or `WANDB_` -> setting. A later line wins."""


def resolve(given: Settings | Mapping[str, Any] | None, **arguments: Any) -> Settings:
    """Settings in force; arguments win over `given`, and that over the environment.

    Raises:
        ArgumentTypeError, ArgumentValueError: a setting is unknown or invalid.
    """
    values = _from_environment(os.environ)
    if isinstance(given, Settings):
        values |= {name: getattr(given, name) for name in given.__dict__["_given"]}
        values |= given.others
    elif isinstance(given, Mapping):
        values |= _translated(given)
    elif given is not None:
        raise ArgumentTypeError(f"settings must be runlog.Settings or a dict, not {given!r}")
    return Settings(**(values | {k: v for k, v in arguments.items() if v is not None}))


def _translated(given: Mapping[str, Any]) -> dict[str, Any]:
    values, others = _translate(given)
    return values | others


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for prefix in ("WANDB_", "RUNLOG_"):
        for variable, setting in VARIABLES.items():
            text = environ.get(prefix + variable)
            if not text:
                continue
            try:
                found |= _translated({setting: text})
            except ArgumentValueError as error:
                # Another tool's variable must not stop a run that never heard of it.
                if prefix == "RUNLOG_":
                    raise ArgumentValueError(f"{prefix}{variable}: {error}") from None
    return found
