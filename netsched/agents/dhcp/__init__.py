"""The DHCP agent: one dnsmasq per network in a namespace of its own, plugged into the network's bridge.

compute.py (content of a scope -> DhcpDesired, pure) -> driver.py (read back, apply the difference) -> dnsmasq.py
(files and process) and agents/kernel (namespace, veth, bridge).

Review notes:
- Tenant text reaches a file only through render.py, which proves each word; a value that does not fit is left out and
  reported, never quoted or cleaned.
- No `set:` in the hosts file: dnsmasq 2.90 dies of it at SIGHUP. Tags of ports come from --dhcp-mac.
- dnsmasq outlives the agent: own session, no pipe, and it is recognised by its command line, not by memory.
- The lease file belongs to dnsmasq; it is edited only while no dnsmasq runs.
"""
