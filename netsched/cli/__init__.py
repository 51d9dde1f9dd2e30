"""The operator's command: `netsched agent list`, `netsched explain network X`.

It speaks REST only, through keystoneauth, and imports nothing of the server's or the agents' insides.

Review notes:
- A command is a class in the file of its resource, and a line under [options.entry_points] netsched.cli in setup.cfg.
- Tables are for people (`:-)`), every other format is for programs (`true`): see formats.py.
- An error says what the server said, and what to do next.
- `netsched --help` loads every module here, so nothing slow is imported at their top.
"""
