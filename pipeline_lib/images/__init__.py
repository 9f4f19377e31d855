"""The only place where bytes become pixels."""
