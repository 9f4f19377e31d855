"""Every setting, and how settings are read."""
