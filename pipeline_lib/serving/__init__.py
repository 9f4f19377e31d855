"""A model behind HTTP: photographs come in, answers go out."""
