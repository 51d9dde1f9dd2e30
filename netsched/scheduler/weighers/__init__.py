"""One file per idea of what a good place is: `weigh(agent, request) -> float`, 0 (worst) to 1 (best).

A new weigher is a file here and a line under [options.entry_points] netsched.scheduler.weighers in setup.cfg.
"""
