"""The kinds of places that datasets of photographs come from, a module each: see `pipeline_lib.data.source.Kind`."""
