"""The Networking API's own errors: requests, networks, subnets, ports, agents."""

from __future__ import annotations

from netsched.errors.kinds import Conflict, Forbidden, Invalid, NoCapacity, NotFound, Stale, Unavailable


class NetworkNotFound(NotFound):
    """Network {id} could not be found."""

    code = "network.not_found"


class SubnetNotFound(NotFound):
    """Subnet {id} could not be found."""

    code = "subnet.not_found"


class PortNotFound(NotFound):
    """Port {id} could not be found."""

    code = "port.not_found"


class AgentNotFound(NotFound):
    """Agent {id} could not be found."""

    code = "agent.not_found"


class BrakeNotFound(NotFound):
    """No brake is on in zone {zone}: nothing is held there."""

    code = "brake.not_found"


class ExtensionNotFound(NotFound):
    """Extension with alias {id} does not exist"""

    code = "extension.not_found"

    @property
    def type(self) -> str:
        return "HTTPNotFound"  # as clients know it


class InvalidDHCPAgent(NotFound):
    """Agent {id} is not a valid DHCP Agent or has been disabled"""

    code = "agent.not_dhcp"


class HTTPNotFound(NotFound):
    """The resource could not be found."""

    code = "route.not_found"


class HTTPBadRequest(Invalid):
    """{reason}"""

    code = "request.bad"


class InvalidInput(Invalid):
    """Invalid input for operation: {reason}."""

    code = "request.invalid_input"


class InvalidAttribute(InvalidInput):
    """Invalid input for {field}. Reason: {reason}."""

    code = "request.invalid_attribute"

    @property
    def type(self) -> str:
        return "HTTPBadRequest"  # as clients know it


class UnconvertibleAttribute(InvalidAttribute):
    """Invalid input for {field}. Reason: {reason}."""

    code = "request.unconvertible_attribute"

    @property
    def type(self) -> str:
        return "InvalidInput"


class BadRequest(Invalid):
    """Bad {resource} request: {reason}."""

    code = "request.refused"


class InvalidIpForSubnet(Invalid):
    """IP address {ip_address} is not a valid IP for the specified subnet."""

    code = "port.ip_not_in_subnet"


class InvalidIpForNetwork(Invalid):
    """IP address {ip_address} is not a valid IP for any of the subnets on the specified network."""

    code = "port.ip_not_in_network"


class InvalidAllocationPool(Invalid):
    """The allocation pool {pool} is not valid."""

    code = "subnet.pool_invalid"


class OutOfBoundsAllocationPool(Invalid):
    """The allocation pool {pool} spans beyond the subnet cidr {subnet_cidr}."""

    code = "subnet.pool_out_of_bounds"


class OverlappingAllocationPools(Conflict):
    """Found overlapping allocation pools: {pool_1} {pool_2} for subnet {subnet_cidr}."""

    code = "subnet.pools_overlap"


class GatewayConflictWithAllocationPools(Conflict):
    """Gateway ip {ip_address} conflicts with allocation pool {pool}."""

    code = "subnet.gateway_in_pool"


class GatewayIpInUse(Conflict):
    """Current gateway ip {ip_address} already in use by port {port_id}. Unable to update."""

    code = "subnet.gateway_in_use"


class NetworkInUse(Conflict):
    """Unable to complete operation on network {id}. There are one or more ports still in use on the network, \
id for these ports is: {ports} ({owners})."""

    code = "network.in_use"


class NetworkMTUSubnetConflict(Conflict):
    """MTU of {net_id} is not valid, subnet requires a minimum of {mtu}"""

    code = "network.mtu_too_small"


class SubnetInUse(Conflict):
    """Unable to complete operation on subnet {id}: {reason}."""

    code = "subnet.in_use"


class InvalidSharedSetting(Conflict):
    """Unable to reconfigure sharing settings for network {id}. Multiple tenants are using it."""

    code = "network.shared_in_use"


class IpAddressAlreadyAllocated(Conflict):
    """IP address {ip_address} already allocated in subnet {subnet_id}"""

    code = "port.ip_in_use"


class AddressPairAndPortSecurityRequired(Conflict):
    """Port Security must be enabled in order to have allowed address pairs on a port."""

    code = "port.address_pairs_without_security"


class MacAddressInUse(Conflict):
    """Unable to complete operation for network {network_id}. The mac address {mac_address} is in use."""

    code = "port.mac_in_use"


class IpAddressGenerationFailure(NoCapacity):
    """No more IP addresses available on network {network_id}."""

    code = "network.no_more_addresses"


class RevisionNumberConstraintFailed(Stale):
    """Constrained to {expected}, but current revision is {actual}"""

    code = "request.revision_mismatch"


class PolicyNotAuthorized(Forbidden):
    """{reason}"""

    code = "request.forbidden"


class NetworkHostedByDHCPAgent(Conflict):
    """The network {network_id} has been already hosted by the DHCP Agent {agent_id}."""

    code = "binding.already_there"


class NetworkNotHostedByDhcpAgent(Conflict):
    """The network {network_id} is not hosted by the DHCP Agent {agent_id}."""

    code = "binding.not_there"


class TooManyWaiters(Unavailable):
    """Nothing was changed: {waiters} requests already wait here until changes are in force. Repeat it without \
wait=applied, or later."""

    code = "request.too_many_waiters"
