"""What runs on the nodes: a framework (base), one package per kind of agent, and one way to the kernel.

An agent turns wanted state into real state: compute (pure) says what ought to be, the driver reads back what is and
applies the difference through `kernel`. Restart of the agent, reboot of the host and repair of drift are the same code.
Agents never import db, server or scheduler: all they know came in a message.

Review notes:
- Only `kernel` talks to netlink and starts processes; a pyroute2 or subprocess import elsewhere is a bug.
- What is removed must be ours by a mark that outlives us: our state directory, our argument in a command line, our
  alias on a link. A name alone proves nothing; other software uses the same conventions.
- Nothing that serves tenants may depend on the agent being alive.
"""
