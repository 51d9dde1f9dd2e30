"""The kinds of agents as clients know them, and which kind holds which resource.

The scheduler and the delivery of changes know nothing of this: they work for kinds that nobody has thought of yet.
"""

from __future__ import annotations

DHCP_AGENT = "DHCP agent"
L3_AGENT = "L3 agent"
L2_AGENT = "Linux bridge agent"

HOLDER = {"network": DHCP_AGENT, "router": L3_AGENT}  # resource type -> who is given it by the scheduler
