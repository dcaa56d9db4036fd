"""What breaks statnive on purpose, and what proves that it did not break: load, faults, scenarios, the oracle."""
