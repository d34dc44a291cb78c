"""The version of the library; the format has its own (`runlog.wire.framing.VERSION`)."""

__version__ = "0.1.0"
