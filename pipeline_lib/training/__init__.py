"""Training: schedules, the loop with its checkpoints, the validation part, and the head."""
