"""netsched: a networking control plane that speaks the OpenStack Networking API v2.0.

Who may import whom, top to bottom, never up or sideways (kept by import-linter, see setup.cfg):

    cmd                       the programs
    server | agents | cli     the service; what runs on the hosts; the operator's command
    scheduler | db | rpc      where it goes (pure); the tables; the messages between service and hosts
    wire                      the API's format
    model                     the nouns, and what follows from them (pure)
    errors | clock | trace

and conf beside them, the options, which only cmd and the server's wiring read.
"""

__version__ = "0.1.0"
