"""`python -m statnive` is the `statnive` command."""

from statnive.cli import main

main()
