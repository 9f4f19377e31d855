"""What makes figures lie: duplicates, leaks, label conflicts, oddities."""
