"""Views of a run: history, status, catalogue. Nothing here writes."""
