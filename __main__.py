"""`python -m motionpipe`."""

from .jobs.cli import main

main()
