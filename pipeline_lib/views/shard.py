"""Shards, and views of shards: the parts of a dataset that stages work on. Nothing reads their names back."""

from __future__ import annotations

from typing import NamedTuple

from pipeline_lib.settings.sections import ShardSettings
from pipeline_lib.views.view import View


class Shard(NamedTuple):
    """A fixed bucket of a split's images, number ``bucket`` (from 0) of ``buckets``."""

    split: str
    bucket: int
    buckets: int

    @property
    def name(self) -> str:
        """What people see, such as ``train 3/8``."""
        return f"{self.split} {self.bucket + 1}/{self.buckets}"


class ShardView(NamedTuple):
    """One view of a shard's images."""

    shard: Shard
    view: View

    @property
    def split(self) -> str:
        """The split that the shard is of."""
        return self.shard.split

    @property
    def name(self) -> str:
        """What people see, such as ``train 3/8 aug1``."""
        return f"{self.shard.name} {self.view.name}"


def shards_of(settings: ShardSettings) -> list[Shard]:
    """Return every shard of train, then of test."""
    counts = {"train": settings.train, "test": settings.test}
    return [Shard(split, bucket, count) for split, count in counts.items() for bucket in range(count)]
