"""`python -m lstmctl` is the command `lstmctl`."""

from lstmctl.cli.main import main

main()
