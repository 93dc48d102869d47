"""Everything that starts work: the command line, the stages wired up, Ray drivers, training loops."""
