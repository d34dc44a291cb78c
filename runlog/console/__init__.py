"""What a run printed, as a terminal shows it."""
