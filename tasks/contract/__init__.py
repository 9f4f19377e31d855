"""What every stage of every flow is."""
