"""The handlers of the Networking API v2.0. Start at root.py."""
