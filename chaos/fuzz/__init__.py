"""Bad input for everything that reads what visitors send: `python -m chaos.fuzz --seconds 600`."""
