"""`python -m ernie_cli` is `ernie`."""

from ernie_cli.cli.app import main

main()
