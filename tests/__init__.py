"""The tests. Those that need a server start a real one (tests/servers.py); none is skipped for want of one."""
