"""The command line, tested on real runs."""
