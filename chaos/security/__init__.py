"""The attack suite: `python -m chaos.security`. One file for each kind of attack, one line for each attack."""
