"""Which metrics the words mean by which a person asks for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from runlog.errors import ArgumentTypeError, UnknownMetric
from runlog.keys import Key


def choose(
    asked: Iterable[str],
    find: Callable[[str], Key | None],
    known: Collection[str],
    own: Collection[str] = (),
) -> dict[str, Key | None]:
    """The metrics that are asked for, by name, in that order.

    Args:
        asked: names of metrics, or patterns: `*` stands for any characters, `?` for one. A word
            that is the name of a metric is that name, whatever it looks like.
        find: gives the path of a metric by a name.
        known: names of all metrics, in order; those that fit a pattern come in it.
        own: names of other columns, which may be asked for too; each is there, but has no path.

    Raises:
        ArgumentTypeError: a single name instead of a list of them.
        UnknownMetric: there is no metric of that name, or none fits the pattern.
    """
    if isinstance(asked, str):
        raise ArgumentTypeError(f"keys must be a list of names; for one, write [{asked!r}]")
    found: dict[str, Key | None] = {}
    for word in asked:
        path = find(word) if isinstance(word, str) else None
        if path is not None or word in own:
            found[word] = path
        elif isinstance(word, str) and ("*" in word or "?" in word):
            fitting = [name for name in known if fnmatchcase(name, word)]
            if not fitting:
                raise UnknownMetric(f"no metric fits {word!r}; there are {_some(known)}")
            found |= {name: find(name) for name in fitting}
        else:
            raise UnknownMetric(f"there is no metric {word!r}{_hint(word, [*known, *own])}")
    return found


def _hint(word: object, known: Collection[str]) -> str:
    import difflib  # deferred: it is slow to import, and only mistakes need it

    close = difflib.get_close_matches(str(word), known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _some(known: Collection[str]) -> str:
    names = [repr(name) for name in known]
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "none"
