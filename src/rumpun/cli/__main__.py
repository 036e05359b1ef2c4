"""`python -m rumpun.cli`: the same as `rumpun`."""

from rumpun.cli import main

main()
