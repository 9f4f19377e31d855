"""Networks, their pretrained weights, and the preparation of images that belongs to them."""

import os

# oneDNN 3.10 inside MindSpore 2.10 runs every convolution larger than 1x1 by its reference code on processors with AVX-512,
# because MindSpore asks for plain layouts; capped at AVX2 it takes a kernel that is 30 to 80 times as fast. It reads this
# once, at the first operator. Processors without AVX-512 never notice.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
