"""The specification and its generators; not part of what is installed."""
