"""Errors of routers, floating IPs, segments and what agents can reach."""

from __future__ import annotations

from netsched.errors.kinds import Conflict, Forbidden, Invalid, NotFound, Unavailable


class RouterNotFound(NotFound):
    """Router {id} could not be found"""

    code = "router.not_found"


class RouterInUse(Conflict):
    """Router {id} {reason}"""

    code = "router.in_use"


class RouterInterfaceNotFound(NotFound):
    """Router {id} does not have an interface with id {port_id}"""

    code = "router.interface_not_found"


class RouterInterfaceNotFoundForSubnet(NotFound):
    """Router {id} has no interface on subnet {subnet_id}"""

    code = "router.interface_not_found_for_subnet"


class RouterInterfaceInUseByFloatingIP(Conflict):
    """Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is required by one or more \
floating IPs."""

    code = "router.interface_in_use_by_floating_ip"


class RouterInterfaceInUseByRoute(Conflict):
    """Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is required by one or more \
routes."""

    code = "router.interface_in_use_by_route"


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    """Gateway cannot be updated for router {id}, since a gateway to external network {network_id} is required by \
one or more floating IPs."""

    code = "router.gateway_in_use_by_floating_ip"


class InvalidRoutes(Invalid):
    """Invalid format for routes: {routes}, {reason}"""

    code = "router.invalid_routes"


class RoutesExhausted(Invalid):
    """Unable to complete operation for {id}. The number of routes exceeds the maximum {quota}."""

    code = "router.too_many_routes"


class PortInUse(Conflict):
    """Unable to complete operation on port {port_id} for network {network_id}. Port already has an attached device \
{device_id}."""

    code = "port.in_use"


class SubnetMismatchForPort(Invalid):
    """Subnet on port {port_id} does not match the requested subnet {subnet_id}."""

    code = "router.interface_on_other_subnet"


class L3PortInUse(Conflict):
    """Port {port_id} cannot be deleted directly via the port API: {reason}"""

    code = "port.owned_by_router"

    @property
    def type(self) -> str:
        return "ServicePortInUse"  # as clients know it


class L3PortUnchangeable(Conflict):
    """Port {port_id}: {attributes} cannot be changed directly via the port API: {reason}"""

    code = "port.changed_by_router"

    @property
    def type(self) -> str:
        return "ServicePortInUse"


class FloatingIPNotFound(NotFound):
    """Floating IP {id} could not be found"""

    code = "floatingip.not_found"


class FloatingIPPortAlreadyAssociated(Conflict):
    """Cannot associate floating IP {floating_ip_address} ({id}) with port {port_id} using fixed IP {fixed_ip}, as \
that fixed IP already has a floating IP on external network {network_id}."""

    code = "floatingip.fixed_ip_taken"


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """External network {network_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate Port \
{port_id} with a Floating IP."""

    code = "floatingip.unreachable"


class DefaultExternalNetworkExists(Conflict):
    """A default external network already exists: {net_id}."""

    code = "network.default_exists"


class ExternalNetworkInUse(Conflict):
    """External network {id} cannot be updated to be made non-external, since it has existing gateway ports."""

    code = "network.external_in_use"


class ExternalNetworkNotForPorts(Forbidden):
    """Ports cannot be created on external network {id}, which belongs to another project and is not shared. It is \
used by gateways of routers and by floating IPs."""

    code = "network.external_not_for_ports"


class InvalidL3Agent(NotFound):
    """Agent {id} is not a L3 Agent or has been disabled"""

    code = "agent.not_l3"


class RouterHostedByL3Agent(Conflict):
    """The router {router_id} has been already hosted by the L3 Agent {agent_id}."""

    code = "binding.router_hosted"


class AgentCannotReach(Conflict):
    """Agent {agent_id} cannot reach {requirement}, which the {resource_type} {resource_id} needs."""

    code = "binding.unreachable"


class VlanIdInUse(Conflict):
    """Unable to create the network. The VLAN {segmentation_id} on physical network {physical_network} is in use."""

    code = "network.vlan_in_use"


class TunnelIdInUse(Conflict):
    """Unable to create the network. The tunnel ID {segmentation_id} is in use."""

    code = "network.tunnel_in_use"


class FlatNetworkInUse(Conflict):
    """Unable to create the flat network. Physical network {physical_network} is in use."""

    code = "network.flat_in_use"


class NoNetworkAvailable(Unavailable):
    """Unable to create the network. No tenant network is available for allocation."""

    code = "network.no_segment"
