"""A model in use: a folder is opened, photographs are answered."""
