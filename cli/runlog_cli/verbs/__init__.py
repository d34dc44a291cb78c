"""The verbs of the `runlog` command, one module each, named after the verb."""
