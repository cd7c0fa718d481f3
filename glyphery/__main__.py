"""`python -m glyphery`: the command line where the package is not installed."""

from glyphery.cli import main

main()
