"""A place for results that machines share: where it is, how bytes get there and back, and what happens while it is gone."""
