"""Everything that computes: plain functions, no Prefect. Heavy libraries are imported by the modules that need them."""

import os

from pipeline_lib.stages import snapshot

# Before the first module that computes: all of them are imported as they were at this moment.
snapshot.use()

# Else onnxruntime, once imported, reports its use to its maker and keeps an id in the user's home.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# oneDNN 3.10 inside MindSpore 2.10 runs every convolution larger than 1x1 by its reference code on processors with AVX-512,
# because MindSpore asks for plain layouts; capped at AVX2 it takes a kernel that is 30 to 80 times as fast. It reads this
# once, at the first operator. Processors without AVX-512 never notice.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
