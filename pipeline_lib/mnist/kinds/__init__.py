"""The kinds of datasets of small grey images, a module each: see `pipeline_lib.mnist.source.Kind`."""
