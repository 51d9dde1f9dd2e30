"""The L3 agent: one namespace per router, plugged into the bridges of its networks, with NAT and advertisements.

compute.py (content of a scope -> RouterDesired, pure) -> driver.py (read back, apply the difference) -> namespace.py
(links, addresses, routes), rules.py (nf_tables), radvd.py and agents/kernel.

Review notes:
- A floating IP is an element of two maps and an address; adding or removing one changes no rule and cuts no other
  connection. Rules are replaced as a whole, in one transaction, when the router's links change.
- Rules come before addresses, connections of an address are cut after its rules and before the address goes: so a
  crash at any point leaves something that the next life sees and finishes.
- Tenant text reaches radvd only through radvd_conf.py, which makes each word out of what it parsed.
- The hardware address of a port moves with it. Whoever has it says so on the wire; whoever lost it says nothing more.
"""
