"""Where a key stands: the partition that Java's and aiokafka's default partitioners choose (murmur2)."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=262_144)
def partition_for(key: bytes, partitions: int) -> int:
    """The partition (from 0) of a record with this key, of a topic with so many partitions."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def subject_key(tenant: str, subject: str) -> bytes:
    """The key of everything about a subject: `tenant/subject`, UTF-8."""
    return f"{tenant}/{subject}".encode()
