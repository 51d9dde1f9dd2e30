"""Agents turn what the server wants into processes and interfaces of their host.

`base` is the same for every kind; a kind is a folder with compute.py (pure), driver.py and main.py. Agents never
import db, server or scheduler: all they know came in a message.
"""
