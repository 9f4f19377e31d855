"""The command `garbage`."""
