"""One file per reason why an agent cannot take an object: `reject(agent, request) -> Rejection | None`.

The sentence in a Rejection is read by operators in `netsched explain`: say the fact, with numbers. A new filter is a
file here and a line under [options.entry_points] netsched.scheduler.filters in setup.cfg.
"""
