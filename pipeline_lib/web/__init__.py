"""The page on which one drops a photograph: what a browser reads, and what runs a model in it."""
