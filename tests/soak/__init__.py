"""Long runs and random faults: `make soak`, never `make test`."""
