"""The L2 agent: a bridge per network that has ports on this host, joined to other hosts by VXLAN, VLAN or a wire.

compute.py (content of a scope -> L2Desired, pure) -> driver.py (differences to what the kernel says, made one by one)
-> wiring.py (bridge, uplink, taps, forwarding), antispoof.py (nft) and agents/kernel.

Review notes:
- A difference is found by reading the kernel and is the only reason to change anything; a check is the same search.
- Nothing of a tap that is not a port's on this host stays in a bridge of ours; links with other names are not ours.
- Rules come before the tap is wired and go after it is unplugged: there is no moment without them.
- Frames are for known hosts only: the tunnel learns no hosts, the bridge learns addresses on every port.
- Security groups will be chains of the same nft table, called where antispoof.py says so.
"""
