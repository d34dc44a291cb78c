"""The laws that readers and writers must keep, each shown by what would break it."""
