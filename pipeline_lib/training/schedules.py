"""The learning rate of every step: linear warm-up, then half a cosine down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def warmup_cosine(
    *, epochs: int, steps_per_epoch: int, warmup_epochs: int, lr_start: float, lr_max: float, lr_end: float
) -> NDArray[np.float32]:
    """Return the learning rate of each of the ``epochs * steps_per_epoch`` steps, float32.

    The first step has ``lr_start``, the first one after warm-up ``lr_max``, the last one ``lr_end``. Equal rates and no
    warm-up give a constant rate.

    Sources: warm-up, Goyal et al. 2017 (arXiv:1706.02677); cosine decay without restarts, Loshchilov and Hutter 2017
    (arXiv:1608.03983).

    Args:
        epochs: Passes over the data, at least 1.
        steps_per_epoch: Steps a pass, at least 1.
        warmup_epochs: Passes of warm-up, 0..epochs-1.
        lr_start: Rate of the first step; unused without warm-up.
        lr_max: Rate after warm-up.
        lr_end: Rate of the last step.
    """
    warmup_steps = warmup_epochs * steps_per_epoch
    warmup = np.linspace(lr_start, lr_max, warmup_steps, endpoint=False)
    phase = np.linspace(0.0, np.pi, epochs * steps_per_epoch - warmup_steps)
    decay = lr_end + (lr_max - lr_end) * (1.0 + np.cos(phase)) / 2.0
    schedule: NDArray[np.float32] = np.concatenate([warmup, decay]).astype(np.float32)
    return schedule
