"""What runs without being asked: scheduling, the relay of changes, and the sweep of what is old.

Each worker takes no input, only a period and a nudge, and looks at the tables for what there is to do. Review notes: a
lost nudge costs latency only; two processes may run the same worker at once; a round that fails is logged with its
stack by the driver and repeated, so it must be safe to repeat.
"""
