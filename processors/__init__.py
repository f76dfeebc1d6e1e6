"""The domain as pure state machines: no clock, no randomness, no I/O. `engine` chains them for one partition."""
