"""Taking secrets out of text before it is written: the one place that decides what looks secret.

Three things give a secret away: the name that it is given to (`--api-key X`, `TOKEN=X`), its shape
(`hf_…`, `AKIA…`, `https://user:password@…`), and being the value of an environment variable with a
secret name. When in doubt a value is hidden: what is written cannot be taken back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

HIDDEN: Final = "***"
"""Stands for a value that was taken out."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_STRONG: Final = re.compile(
    r"passw|passphrase|secret|credential|bearer|authorization|api_?key|private_?key|access_?key"
    r"|auth_?key|auth_?token|access_?token|jwt|cookie|(?<![a-z])(?:pwd|pat|sas|passcode)(?![a-z])"
)
"""Names whose value is hidden whatever it is."""

_WEAK: Final = re.compile(r"(?<![a-z])(?:keys?|auth|sig|signature)(?![a-z])|tokens?(?![a-z])")
"""Names that other things have too: `--max-tokens 512`, `--pad-token <pad>`, `sort_key`."""

_NO_SECRET: Final = re.compile(
    r"[-+]?[0-9._]{1,12}(?:e[-+]?\d+)?|true|false|yes|no|none|null|auto|[<\[][^<>\[\]]{1,20}[>\]]|",
    re.IGNORECASE,
)
"""Values that a weak name does not make a secret: numbers, switches, a model's special tokens."""

_PREFIXES: Final = (
    "hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "sk_live_",
    "sk_test_", "rk_live_", "whsec_", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "AKIA",
    "ASIA", "AIza", "ya29.", "SG.", "npm_", "pypi-", "dckr_pat_", "nvapi-",
)  # fmt: skip
"""How the keys of well-known services begin."""

_SHAPES: Final = re.compile(
    rf"\b(?:{'|'.join(map(re.escape, _PREFIXES))})"
    r"(?:(?=[\w.=+/-]*\d)[\w.=+/-]{12,}|[A-Za-z]{24,})"
    r"|\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"  # a JSON web token
    r"|\blocal-[0-9a-f]{40}\b"
    r"|(?<=[Bb]earer )[^\s\"',;]{6,}|(?<=[Bb]asic )[A-Za-z0-9+/=]{8,}"
)

_USERINFO: Final = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s/?#\"'<>]+)@", re.IGNORECASE)
_NAMED: Final = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*)(?P<between>["']?\s*[:=]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s"',;&}\])]+)"""
)
_OPTION: Final = re.compile(r"(-{0,2}|[+~]{1,2})([A-Za-z_][\w./@-]*)=(.*)", re.DOTALL)

# In source code a secret is a literal: `token = tokenizer(text)` has to stay readable.
_LITERAL: Final = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]*)(?P<between>["']?\]?\s*[:=]\s*[rbfu]{0,2})(?P<value>"[^"\n]*"|'[^'\n]*')"""
)
_LINE: Final = re.compile(
    r"""^(?P<name>[+\- ]?\s*(?:export\s+)?[A-Za-z_][\w.-]*)(?P<between>\s*[:=]\s*)"""
    r"""(?P<value>[^\s"'()\[\]{},]+)(?=\s*$)"""
)
_TYPES: Final = frozenset({"str", "int", "bytes", "bool", "float", "object", "Any"})

_SUSPECT: Final = (
    "pass", "pwd", "secret", "credential", "bearer", "basic", "auth", "key", "token", "jwt",
    "cookie", "sig", "://", "local-", "eyj", *(prefix.lower() for prefix in _PREFIXES),
)  # fmt: skip
"""A line of source code without any of these (in small letters) needs no closer look."""


def is_secret(name: str, value: str = "x") -> bool:
    """Whether a value may be a secret because of its name.

    Args:
        name: of an option, a variable or a key.
        value: numbers and the like are not hidden under names such as `max_tokens`.
    """
    word = _CAMEL.sub("_", name).lower().replace("-", "_")
    if _STRONG.search(word):
        return True
    return _WEAK.search(word) is not None and _NO_SECRET.fullmatch(value.strip("\"' ")) is None


def args(given: Iterable[str], variables: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Command line arguments without secrets.

    Args:
        given: as in `sys.argv[1:]`.
        variables: the environment; None for this process's.
    """
    return tuple(_args(given, _known(os.environ if variables is None else variables)))


def _args(given: Iterable[str], known: Sequence[str]) -> Iterator[str]:
    option = ""  # the secret option whose values these may be
    for arg in given:
        named = _OPTION.fullmatch(arg)
        if option and not _is_option(arg):
            yield HIDDEN if is_secret(option, arg) else _scrub(arg, known)
            option = option if option.endswith("s") else ""  # --api-keys A B
        elif named and is_secret(named[2], named[3]):
            yield f"{named[1]}{named[2]}={HIDDEN}" if named[3] else arg
            option = ""
        else:
            yield _scrub(arg, known)
            option = arg if arg.startswith("-") and not named and is_secret(arg) else ""


def _is_option(arg: str) -> bool:
    return re.fullmatch(r"--[A-Za-z][\w-]*(=.*)?|-[A-Za-z]", arg, re.DOTALL) is not None


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without secrets; their names stay."""
    known = _known(os.environ)
    return {
        name: HIDDEN if is_secret(name, value) else _scrub(value, known)
        for name, value in given.items()
    }


def text(given: str) -> str:
    """Any short text without secrets; of a URL, its credentials and secret query items go."""
    return _scrub(given, _known(os.environ))


def source(lines: Iterable[str]) -> Iterator[str]:
    """Lines of source code or of a diff without secrets, one by one.

    Only literals count as values of secret names, so that code stays code. Between lines other
    threads can run, which they cannot during one search with a regular expression.
    """
    known = _known(os.environ)
    inside_key = False
    for line in lines:
        lower = line.lower()
        if inside_key or "-----begin " in lower:
            inside_key = "-----end " not in lower and ("private key" in lower or inside_key)
            yield f"{line[:1]}{HIDDEN}\n" if inside_key else line
        elif any(word in lower for word in _SUSPECT) or any(value in line for value in known):
            yield _LINE.sub(_hide, _replace(_shapeless(line, known), _LITERAL))
        else:
            yield line


def _scrub(given: str, known: Sequence[str]) -> str:
    made = _shapeless(given, known)
    return _replace(made, _NAMED) if ":" in made or "=" in made else made


def _shapeless(given: str, known: Sequence[str]) -> str:
    for value in known:
        given = given.replace(value, HIDDEN)
    return _SHAPES.sub(HIDDEN, _USERINFO.sub(_hide_user, given))


def _hide_user(match: re.Match[str]) -> str:
    scheme, user = match.groups()
    # ssh://git@host: a login name and no secret.
    if scheme.lower() in {"ssh://", "git+ssh://", "rsync://"} and ":" not in user:
        return match[0]
    return str(scheme)


def _replace(given: str, pattern: re.Pattern[str]) -> str:
    """`given` with the values of secret names hidden."""
    out: list[str] = []
    done = at = 0
    while match := pattern.search(given, at):
        hidden = _hide(match)
        if hidden == match[0]:
            at = match.start("value")  # there may be names within: https://host/?token=…
            continue
        out += given[done : match.start()], hidden
        done = at = match.end()
    return "".join((*out, given[done:]))


def _hide(match: re.Match[str]) -> str:
    name, between, value = match["name"], match["between"], match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    bare = value[1:-1] if quote else value
    if not bare or bare in _TYPES or bare == HIDDEN or not is_secret(name, bare):
        return match[0]
    return f"{name}{between}{quote}{HIDDEN}{quote}"


def _known(given: Mapping[str, str]) -> Sequence[str]:
    """Values of the environment's secret variables, the longest first."""
    found = {
        value
        for name, value in given.items()
        # A path (SSH_AUTH_SOCK) is where a secret is; short words would be hidden everywhere.
        if len(value) >= 8 and not value.startswith("/") and is_secret(name, value)
    }
    return sorted(found, key=len, reverse=True)
