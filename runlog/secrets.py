"""Taking secrets out of text and of hyperparameters: the one place that decides what looks secret.

Three things give a secret away: the name that it is given to (`--api-key X`, `TOKEN=X`), its shape
(`hf_…`, `AKIA…`, `https://user:password@…`), and being the value of an environment variable with a
secret name. When in doubt a value is hidden: what is written cannot be taken back.

Every search takes time in proportion to the text, whatever is in it: it may be a file of a megabyte
in one line, and the training thread waits while a search goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

HIDDEN: Final = "***"
"""Stands for a value that was taken out."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_STRONG: Final = re.compile(
    r"passw|passphrase|secret|credential|bearer|authorization|api_?key|private_?key|access_?key"
    r"|auth_?key|auth_?token|access_?token|jwt|cookie|(?<![a-z])pw(?![a-z0-9_])"
    r"|(?<![a-z])(?:pwd|sas|passcode)(?![a-z])"
)
"""Names whose value is hidden whatever it is."""

_WEAK: Final = re.compile(r"(?<![a-z])(?:keys?|auth|sig|signature|pat)(?![a-z])|tokens?(?![a-z])")
"""Names that other things have too: `--max-tokens 512`, `--pad-token <pad>`, `sort_key`."""

_NOTHING: Final = frozenset({"", "none", "null", "true", "false"})
"""Values that say only whether there is a secret."""

_NO_SECRET: Final = re.compile(
    r"[-+]?[0-9._]{1,12}(?:e[-+]?\d{1,4})?|yes|no|auto|[<\[][^<>\[\]]{1,40}[>\]]", re.IGNORECASE
)
"""Values that a weak name does not make a secret: numbers, switches, a model's special tokens."""

_PREFIXES: Final = (
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk_live_",
    "sk_test_", "rk_live_", "whsec_", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "AIza",
    "ya29.", "SG.", "npm_", "pypi-", "dckr_pat_", "nvapi-",
)  # fmt: skip
"""How the keys of well-known services begin."""

_SHAPES: Final = re.compile(
    rf"\b(?:{'|'.join(map(re.escape, _PREFIXES))})"
    r"(?:(?=[\w.=+/-]{0,200}?\d)[\w.=+/-]{12,}|[A-Za-z]{24,})"
    r"|\bhf_(?:[a-z]{0,8}_)?[A-Za-z0-9]{20,}"  # Hugging Face's
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}"  # Amazon's
    r"|(?<![\w.-])eyJ[\w-]{5,}+\.[\w-]{5,}+(?:\.[\w-]*)?"  # a JSON web token
    r"|\blocal-[0-9a-f]{40}\b"
    r"|(?<=hooks\.slack\.com/services/)[\w/]{10,}"
    r"|(?i:(?<=bearer )|(?<=bearer: )|(?<=basic ))(?=[A-Za-z]{0,200}[\d._~+/=-])"
    r"[A-Za-z0-9._~+/=-]{7,}[A-Za-z0-9~+/=-]"
)

_USERINFO: Final = re.compile(
    r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,40}://)([^\s/?#\"'<>]{1,2000})@", re.IGNORECASE
)
_NAME: Final = re.compile(r"""(?<![\w.-])(?P<name>[\w.-]{1,256}+)["']?\s{0,40}[:=]\s{0,40}""")
_VALUE: Final = re.compile(r""""[^"]*"|'[^']*'|[^\s"',;&}\])]+""")
_OPTION: Final = re.compile(r"(-{0,2}|[+~]{1,2})([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)

SUSPECT: Final = (
    "pass", "pw", "pat", "sas", "secret", "credential", "bearer", "basic", "auth", "key", "token",
    "jwt", "cookie", "sig", "://", "local-", "hooks.slack", "hf_", "eyj", "akia", "asia",
    *(prefix.lower() for prefix in _PREFIXES),
)  # fmt: skip
"""A line without any of these (in small letters) needs no closer look."""


# ---------------------------------------------------------------- names


def _word(name: str) -> str:
    return _CAMEL.sub("_", name).lower().replace("-", "_")


def is_strong(name: str) -> bool:
    """Whether a name is one of secrets alone."""
    return _STRONG.search(_word(name)) is not None


def is_suspect(name: str) -> bool:
    """Whether a name may be one of a secret."""
    word = _word(name)
    return _STRONG.search(word) is not None or _WEAK.search(word) is not None


def is_secret(name: str, value: str = "x") -> bool:
    """Whether a value may be a secret because of its name.

    Args:
        name: of an option, a variable or a key.
        value: numbers and the like are not hidden under names such as `max_tokens`.
    """
    word, bare = _word(name), value.strip("\"' ")
    if bare.lower() in _NOTHING:
        return False
    if _STRONG.search(word):
        return True
    return _WEAK.search(word) is not None and _NO_SECRET.fullmatch(bare) is None


# ---------------------------------------------------------------- arguments, variables, text


def args(given: Iterable[str], variables: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Command line arguments without secrets.

    Args:
        given: as in `sys.argv[1:]`.
        variables: the environment; None for this process's.
    """
    return tuple(_args(given, known(os.environ if variables is None else variables)))


def _args(given: Iterable[str], values: Sequence[str]) -> Iterator[str]:
    option = ""  # the secret option whose values these may be
    for arg in given:
        named = _OPTION.fullmatch(arg)
        if option and not _is_option(arg):
            yield HIDDEN if is_secret(option, arg) else _scrub(arg, values)
            option = option if option.endswith("s") else ""  # --api-keys A B
        elif named and is_secret(named[2], named[3]):
            yield f"{named[1]}{named[2]}={HIDDEN}" if named[3] else arg
            option = ""
        else:
            yield _scrub(arg, values)
            option = arg if arg.startswith("-") and not named and is_secret(arg) else ""


def _is_option(arg: str) -> bool:
    return re.fullmatch(r"--[A-Za-z][\w-]*(=.*)?|-[A-Za-z]", arg, re.DOTALL) is not None


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without secrets; their names stay."""
    values = known(os.environ)
    return {
        name: HIDDEN if is_secret(name, value) else _scrub(value, values)
        for name, value in given.items()
    }


def text(given: str) -> str:
    """Any short text without secrets; of a URL, its credentials and secret query items go."""
    return _scrub(given, known(os.environ))


def _scrub(given: str, values: Sequence[str]) -> str:
    made = without_shapes(given, values)
    return without_named(made) if ":" in made or "=" in made else made


def without_shapes(given: str, values: Sequence[str] = ()) -> str:
    """Text without what has a secret's shape.

    Args:
        given: the text.
        values: that are to be hidden wherever they are.
    """
    for value in values:
        given = given.replace(value, HIDDEN)
    return _SHAPES.sub(HIDDEN, _USERINFO.sub(_hide_user, given))


def _hide_user(match: re.Match[str]) -> str:
    scheme, user = match.groups()
    # ssh://git@host: a login name and no secret.
    if scheme.lower() in {"ssh://", "git+ssh://", "rsync://"} and ":" not in user:
        return match[0]
    return str(scheme)


def without_named(given: str) -> str:
    """Text without the values of secret names: `name=value`, `"name": "value"`."""
    out: list[str] = []
    done = at = 0
    while name := _NAME.search(given, at):
        at = name.end()  # there may be names in the value: https://host/?token=…
        # A value is looked at only where its name is suspect, and is hidden or short then.
        value = _VALUE.match(given, at) if is_suspect(name["name"]) else None
        if value is None or not is_secret(name["name"], value[0]):
            continue
        quote = value[0][0] if value[0][0] in "\"'" else ""
        if value[0].strip(quote) == HIDDEN:
            continue
        out += given[done:at], f"{quote}{HIDDEN}{quote}"
        done = at = value.end()
    return "".join((*out, given[done:]))


def known(given: Mapping[str, str]) -> Sequence[str]:
    """Values of the environment's secret variables, the longest first."""
    found = {
        value
        for name, value in given.items()
        # A path (SSH_AUTH_SOCK) is where a secret is; short words would be hidden everywhere.
        if len(value) >= 8 and not value.startswith("/") and is_secret(name, value)
    }
    return sorted(found, key=len, reverse=True)


# ---------------------------------------------------------------- hyperparameters


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as people see them: what looks secret is hidden, at any depth.

    Numbers under names such as `max_tokens` stay, and so do True, False and None under any name.
    """
    return {name: _shown(str(name), value, under=False) for name, value in values.items()}


def _shown(name: str, value: Any, *, under: bool) -> Any:
    """One value; `under` says that it is somewhere under a name of secrets alone."""
    if isinstance(value, Mapping):
        below = under or is_strong(name)
        return {key: _shown(str(key), v, under=below) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(name, item, under=under) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        hidden = (under and value != "") or is_secret(name, value)
        return HIDDEN if hidden else without_shapes(value)
    return HIDDEN if under or is_strong(name) else value


def redacted(values: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """Hyperparameters without those of some names.

    Args:
        values: nested as they may be.
        patterns: of names, such as "*key*": of a key at any depth, or of the whole path to it with
            dots between. Small and capital letters are the same.

    Returns:
        The same, with `HIDDEN` in place of the whole value of each such name.
    """
    if not patterns:
        return dict(values)
    import fnmatch  # deferred: most runs name no pattern

    tests = [re.compile(fnmatch.translate(pattern.lower())) for pattern in patterns]
    return _redacted(values, tests, "")


def _redacted(
    values: Mapping[str, Any], tests: list[re.Pattern[str]], above: str
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in values.items():
        name = str(key).lower()
        path = f"{above}{name}"
        if any(test.match(name) or test.match(path) for test in tests):
            out[key] = HIDDEN
        else:
            out[key] = _redacted_below(value, tests, f"{path}.")
    return out


def _redacted_below(value: Any, tests: list[re.Pattern[str]], above: str) -> Any:
    if isinstance(value, Mapping):
        return _redacted(value, tests, above)
    if isinstance(value, list | tuple):
        return [_redacted_below(item, tests, above) for item in value]
    return value
