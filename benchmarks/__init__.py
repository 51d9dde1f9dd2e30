"""What netsched costs: run ./tools/bench.sh. Each benchmark is a module with a function `run`; __main__ lists them.

They start real servers (tests/servers.py) and real processes, and talk over loopback only. Figures in CPU time and in
statements hold on a busy machine too; those in wall clock hold only against others of the same run.
"""
