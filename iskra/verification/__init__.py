"""Recomputing verdicts: the log of a partition through the engine alone, compared with what stands on the topics and in ClickHouse."""
