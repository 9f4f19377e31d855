"""The embedded synthetic dataset, `sample.zip`. Nothing imports this package: see `pipeline_lib.data.embedded.SAMPLE`."""
