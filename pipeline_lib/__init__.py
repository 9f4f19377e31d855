"""Everything that computes: plain functions, no Prefect. Heavy libraries are imported by the modules that need them."""
