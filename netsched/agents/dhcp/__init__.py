"""The DHCP agent: dnsmasq per network, in a namespace, on the network's bridge."""
