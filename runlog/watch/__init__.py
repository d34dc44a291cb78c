"""`run.watch` and `run.unwatch`: histograms of a torch model's gradients and parameters.

Nothing here imports torch by itself: whoever has a module to watch has imported it already.
"""

from runlog.watch.calls import Watching
from runlog.watch.into import Into

__all__ = ["Into", "Watching"]
