"""What breaks statnive on purpose, and what proves that it held: load, faults, scenarios, the oracle."""
