"""The programs: parse the command line and the configuration, call the wiring, wait for the end. Nothing else."""
