"""Thin Prefect tasks, one file per stage; caching policy; what the UI shows."""
