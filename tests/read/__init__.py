"""Views of a run: columns, names, JSON."""
