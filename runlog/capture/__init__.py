"""What a run notices by itself, all of it off the training thread."""
