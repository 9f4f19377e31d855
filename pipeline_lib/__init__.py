"""Everything that computes: plain functions, no Prefect. Heavy libraries are imported by the modules that need them."""

import os

from pipeline_lib.stages import snapshot

# Before the first module that computes: all of them are imported as they were at this moment.
snapshot.use()

# Else onnxruntime, once imported, reports its use to its maker and keeps an id in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
