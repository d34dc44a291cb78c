"""The `runlog` command: one file per verb, built on the public names of `runlog` alone."""
