"""What can go wrong in a worker. The class says what happens next.

WorkerError
├── Fatal              ends the process with exit code 1; its supervisor starts it again from the last checkpoint
│   ├── DeliveryFailed   the broker refused an output for good: what is lost in the process is written again after a restart
│   └── TransportDied    a background task of the Kafka client ended: without it nothing would arrive, silently
└── Misfit             the topics are not as the registry wants them: told in one line, looked at again until mended
"""

from __future__ import annotations


class WorkerError(Exception):
    """Base of everything that a worker raises by itself."""


class Fatal(WorkerError):
    """The process cannot go on and must end; it recovers from its last checkpoint when started again."""


class DeliveryFailed(Fatal):
    """An output was refused for good (too large, not authorised, fatal state of the producer)."""


class TransportDied(Fatal):
    """A background task of the Kafka client ended by itself."""


class Misfit(WorkerError):
    """Topics are missing or have a wrong number of partitions; the message names topic, found and wanted."""
