"""The stages of ``lenet-mnist``, one a module."""
