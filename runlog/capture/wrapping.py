"""Capture by wrapping: `write` of a stream object passes on what it has written.

The methods of the object itself are replaced, not `sys.stdout`. So everyone who holds the object
is heard (a logging handler made long before), it stays the object that it was (`isatty`, `fileno`,
`encoding`), and if others put another object in its place meanwhile, nothing is in their way.

Others replace `write` too, and put back what they found before we came: IPython does so around each
cell. Where the stream's class allows it, ours is therefore a `Guard`, which stays on top of
whatever is set. Streams of C classes do not allow it; of them the buffer is heard, which all text
goes through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from runlog.capture import sink as sinks
from runlog.capture.sink import Sink

_MISSING: Final = object()
_MAIN: Final = threading.main_thread().ident
_LONG: Final = 1 << 14
"""Bytes of an unfinished line that are handed on without waiting for its end."""


class Patch:
    """The replaced methods of one stream.

    Attributes:
        stream: the object.
        name: "stdout" or "stderr".
        sinks: where what is written goes, too.
        bypass: takes what an `emit` writes itself; None for the stream as it was.
    """

    def __init__(self, stream: Any, name: str) -> None:
        self.stream = stream
        self.name = name
        self.sinks: tuple[Sink, ...] = ()
        self.bypass: Callable[[bytes], None] | None = None
        self._lock = threading.RLock()
        self._in_hand: Any = _MISSING  # what a method of the stream, now running, was given
        self._line = b""  # begun, and not handed on yet
        self._ours: list[tuple[Any, str, Any, Any]] = []
        self._guard: Guard | None = None
        self._buffer: tuple[dict[str, Any], Any, Any] = ({}, _MISSING, None)

    def install(self) -> None:
        """Put the methods in place.

        Raises:
            AttributeError, TypeError: the object does not let itself be changed.
        """
        self._guard = Guard.over(self.stream, self._write_method)
        if self._guard is None:
            self._put(self.stream, "write", self._write_method)
        self._put(self.stream, "flush", self._flush_method)
        buffer = getattr(self.stream, "buffer", None)
        if buffer is not None:
            own = buffer.write
            self._put(buffer, "write", self._write_method)
            self._buffer = (vars(buffer), buffer.write, own)

    def _put(self, target: Any, name: str, method: Callable[[Any], Any]) -> None:
        before = vars(target).get(name, _MISSING)
        ours = method(getattr(target, name))
        setattr(target, name, ours)
        self._ours.append((target, name, ours, before))

    @property
    def on_top(self) -> bool:
        """Whether a call of `write` still comes here first."""
        if self._guard is not None:
            return self._guard.on_top
        target, name, ours, _ = self._ours[0]
        return vars(target).get(name) is ours

    def remove(self) -> None:
        """Put the old methods back; where others have laid theirs over ours, ours only passes."""
        for target, name, ours, before in self._ours:
            if vars(target).get(name) is not ours:
                continue
            if before is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, before)
        if self._guard is not None:
            self._guard.remove()

    def forked(self) -> None:
        """In a forked child: whoever held the lock is not here."""
        self._lock = threading.RLock()
        self._in_hand = _MISSING
        self._line = b""

    # ------------------------------------------------------------ the methods

    def _write_method(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return partial(self.write, original)

    def write(self, original: Callable[[Any], Any], what: Any) -> Any:
        """What is called in place of a `write`.

        Args:
            original: what was replaced.
            what: its argument.
        """
        if sinks.busy():
            return self._unheard(original, what)
        return self._pass(original, what)

    def _flush_method(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def flush(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                names, ours, own = self._own_write()
                outer = self._in_hand
                try:
                    self._in_hand = None
                    names["write"] = own
                    return original(*args, **kwargs)
                finally:
                    names["write"] = ours
                    self._in_hand = outer
                    if outer is _MISSING and not sinks.busy():
                        self.hand_on()

        return flush

    def _pass(self, original: Callable[[Any], Any], what: Any) -> Any:
        """Write as before, and hand on what was written. Exceptions of the stream are its own.

        Ctrl-C can be raised after any call. So the original is the only one in its `try`, and
        what Ctrl-C follows was, as a rule, written.
        """
        data, line = _bytes(what), b""
        with self._lock:
            outer = self._in_hand
            # Heard further out: bytes of a text, which the buffer is handed; and what goes through
            # ours again, below another `write` that was laid over it. Not what a signal handler
            # prints.
            if outer is not _MISSING and (what is outer or not isinstance(what, str)):
                return original(what)
            long = len(self._line) + len(data) > _LONG
            waiting = self.sinks
            names, ours, own = self._own_write()
            try:
                self._in_hand = what
                names["write"] = own
                result = original(what)
                if type(result) is int and type(what) is not str:
                    data = data[:result]  # an unbuffered stream may take less
            except Exception:
                data = b""  # refused
                raise
            finally:
                names["write"] = ours
                self._in_hand = outer
                # `print` writes each of its arguments by itself, and a record for each would cost
                # many times as much: so a line is handed on once it is whole. Without a call but
                # the last, since Ctrl-C may be raised after any.
                self._line += data
                if b"\n" in data or b"\r" in data or long:
                    line, self._line = self._line, b""
                    for sink in waiting:
                        sink.pending.append((self.name, line))
        if line:
            for sink in waiting:
                sink.drain()
        return result

    def hand_on(self) -> None:
        """Hand on a line that is begun, though it has no end yet."""
        with self._lock:
            self._line, line = b"", self._line
            if line:
                for sink in self.sinks:
                    sink.pending.append((self.name, line))
        if line:
            for sink in self.sinks:
                sink.drain()

    def _own_write(self) -> tuple[dict[str, Any], Any, Any]:
        """Where to put, while a method of the stream runs, which `write` of its buffer, and then.

        What the stream hands its buffer must not be heard a second time: `_in_hand` says so to our
        `write`. On the main thread the buffer has its own back meanwhile, since text would be lost
        if Ctrl-C were raised in ours. Other threads get no Ctrl-C; but bytes that one of them
        writes at that very moment are not heard.
        """
        names, ours, own = self._buffer
        if threading.get_ident() == _MAIN and names.get("write") is ours:
            return names, ours, own
        return {}, None, None

    def _unheard(self, original: Callable[[Any], Any], what: Any) -> Any:
        """Write what comes from within an `emit`; it is not captured."""
        if self.bypass is None:
            return original(what)
        self.bypass(_bytes(what))
        return len(what)


def _bytes(what: Any) -> bytes:
    """What is written: text as UTF-8, file names with undecodable bytes as those bytes.

    Nothing if it is neither text nor bytes; then the stream says what is to be said.
    """
    try:
        if isinstance(what, str):
            try:
                return str.encode(what, "utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return str.encode(what, "utf-8", "backslashreplace")
        return bytes(memoryview(what))
    except TypeError:
        return b""


class Guard:
    """`write` of one stream as a member of its class, so that it lies over what is set on it.

    The stream's class becomes one derived from it, which differs in that alone. Whoever reads
    `write` gets ours over what is there at that moment; whoever puts back what he read gets that
    again, without ours, which is still on top.

    Args:
        stream: the object.
        wrap: makes a `write` of ours over another.
    """

    def __init__(self, stream: Any, wrap: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._wrap = wrap
        self._plain: type[Any] = type(stream)
        names = {"__slots__": (), "write": self, "__module__": self._plain.__module__}
        names["__qualname__"] = self._plain.__qualname__
        self._made: type[Any] = type(self._plain.__name__, (self._plain,), names)

    @classmethod
    def over(cls, stream: Any, wrap: Callable[[Any], Any]) -> Guard | None:
        """Put one in place; None if the stream does not allow it."""
        try:
            if "write" in vars(stream):
                vars(stream)["write"] = _beneath(vars(stream)["write"])
            elif not hasattr(type(stream), "write"):
                return None  # it is made up by `__getattr__`
            guard = cls(stream, wrap)
            stream.__class__ = guard._made
        except Exception:  # noqa: BLE001 - a class may do anything when another is derived from it
            return None
        return guard

    @property
    def on_top(self) -> bool:
        """Whether a call of `write` still comes here first."""
        return type(self._stream) is self._made

    def remove(self) -> None:
        """Give the stream its class back, unless others have given it another."""
        if self.on_top:
            self._stream.__class__ = self._plain

    def __get__(self, stream: Any, owner: type) -> Any:
        if stream is None:
            return self._plain.write
        below = vars(stream).get("write", _MISSING)
        if below is _MISSING:
            of_class: Any = super(self._made, stream)
            below = of_class.write
        return self._wrap(below) if stream is self._stream else below

    def __set__(self, stream: Any, value: Any) -> None:
        vars(stream)["write"] = _beneath(value)

    def __delete__(self, stream: Any) -> None:
        try:
            del vars(stream)["write"]
        except KeyError:
            raise AttributeError("write") from None


def _beneath(write: Any) -> Any:
    """A `write` without those of ours over it."""
    while isinstance(write, partial) and getattr(write.func, "__func__", None) is Patch.write:
        write = write.args[0]
    return write


# ---------------------------------------------------------------- all patches

_PATCHES: list[Patch] = []
_lock = threading.RLock()


def attach(stream: Any, name: str, sink: Sink) -> None:
    """Pass what is written to a stream from now on to `sink`.

    Raises:
        AttributeError, TypeError: the stream does not let itself be changed.
    """
    with _lock:
        patch = _patch_of(stream, name)
        patch.hand_on()
        if sink not in patch.sinks:
            patch.sinks = (*patch.sinks, sink)


def divert(stream: Any, name: str, bypass: Callable[[bytes], None] | None) -> None:
    """Lead what an `emit` writes to a stream past it; None ends that.

    Raises:
        AttributeError, TypeError: the stream does not let itself be changed.
    """
    with _lock:
        if bypass is not None:
            _patch_of(stream, name).bypass = bypass
            return
        _end_bypass(stream)
        _tidy()


def _end_bypass(stream: Any) -> None:
    for patch in _PATCHES:
        if patch.stream is stream:
            patch.bypass = None


def detach(sink: Sink) -> None:
    """Pass nothing more to `sink`, and leave every stream as it was."""
    for patch in tuple(_PATCHES):
        if sink in patch.sinks:
            patch.hand_on()
    with _lock:
        for patch in _PATCHES:
            patch.sinks = tuple(s for s in patch.sinks if s is not sink)
        _tidy()


def forked() -> None:
    """In a forked child: make all patches fit for use."""
    global _lock  # noqa: PLW0603 - the old one may be held by a thread that is not here
    _lock = threading.RLock()
    for patch in _PATCHES:
        patch.forked()


def _patch_of(stream: Any, name: str) -> Patch:
    for patch in _PATCHES:
        if patch.stream is stream and patch.on_top:
            return patch
    patch = Patch(stream, name)
    try:
        patch.install()
    except (AttributeError, TypeError):
        patch.remove()
        raise
    _PATCHES.append(patch)
    return patch


def _tidy() -> None:
    for patch in [p for p in reversed(_PATCHES) if not p.sinks and p.bypass is None]:
        patch.remove()
        _PATCHES.remove(patch)
