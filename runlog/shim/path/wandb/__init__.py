"""runlog in the place of wandb: found first by processes that `runlog exec` started.

This folder alone may be importable (another Python than runlog's was started), so what it can say
without runlog is said here.
"""

import functools
import importlib.util
import sys

if importlib.util.find_spec("runlog") is None or importlib.util.find_spec("msgpack") is None:
    _problem = (
        f"`runlog exec` started a Python that does not have runlog, or not all of it: "
        f"{sys.executable}. Install it there: {sys.executable} -m pip install runlog-journal"
    )
    # Libraries often take an ImportError for "not wanted", and would train on without logging.
    sys.stderr.write(f"runlog: {_problem}\n")
    raise ImportError(_problem)

from runlog.shim import facade

__version__ = facade.VERSION
__getattr__ = functools.partial(facade.attribute, "")
__dir__ = facade.names

facade.open_door()
