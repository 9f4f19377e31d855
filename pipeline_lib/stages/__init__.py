"""What a result is, when it counts, and where it is kept."""
