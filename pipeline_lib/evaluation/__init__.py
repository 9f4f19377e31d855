"""What a trained network is worth: figures with their intervals, tables, a map, the worst mistakes."""
