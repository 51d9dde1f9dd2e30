"""netsched: a networking control plane that speaks the OpenStack Networking API v2.0.

Who may import whom, top to bottom, never up or sideways (kept by import-linter, see setup.cfg):

    cmd
    server | agents | cli
    scheduler | db | rpc
    wire
    model
    errors | clock
"""

__version__ = "0.1.0"
