"""Errors of subnet pools, address scopes, and subnets that come from pools."""

from __future__ import annotations

from netsched.errors.core import InvalidInput, IpAddressGenerationFailure
from netsched.errors.kinds import Conflict, Invalid, NotFound


class SubnetPoolNotFound(NotFound):
    """Subnet pool {id} could not be found."""

    code = "subnetpool.not_found"


class AddressScopeNotFound(NotFound):
    """Address scope {id} could not be found."""

    code = "address_scope.not_found"


class EmptySubnetPoolPrefixList(Invalid):
    """Empty subnet pool prefix list."""

    code = "subnetpool.no_prefixes"


class PrefixVersionMismatch(Invalid):
    """Cannot mix IPv4 and IPv6 prefixes in a subnet pool."""

    code = "subnetpool.prefixes_of_two_versions"


class IllegalSubnetPoolPrefixBounds(Invalid):
    """Illegal prefix bounds: {prefix_type}={prefixlen}, {base_prefix_type}={base_prefixlen}."""

    code = "subnetpool.bounds"


class IllegalSubnetPoolPrefixUpdate(Invalid):
    """Illegal update to prefixes: {reason}."""

    code = "subnetpool.prefixes_in_use"


class IllegalSubnetPoolUpdate(Invalid):
    """Illegal subnetpool update : {reason}."""

    code = "subnetpool.update"


class SubnetPoolDeleteError(Invalid):
    """Unable to delete subnet pool: {reason}."""

    code = "subnetpool.in_use"


class IllegalSubnetPoolIpVersionAssociationToAddressScope(Invalid):
    """Illegal subnetpool association: subnetpool {subnetpool_id} cannot associate with address scope \
{address_scope_id} because subnetpool ip_version is not {ip_version}."""

    code = "subnetpool.address_scope_version"


class AddressScopePrefixConflict(Conflict):
    """Failed to associate address scope: subnetpools within an address scope must have unique prefixes."""

    code = "address_scope.prefixes_overlap"


class AddressScopeInUse(Conflict):
    """Unable to complete operation on address scope {id}. There are one or more subnet pools in use on the address \
scope."""

    code = "address_scope.in_use"


class AddressScopeUpdateError(Invalid):
    """Unable to update address scope {id} : {reason}."""

    code = "address_scope.update"


class NetworkAddressScopeAffinityError(Invalid):
    """Subnets of the same address family hosted on the same network must all participate in the same address scope."""

    code = "network.address_scope_affinity"


class NetworkSubnetPoolAffinityError(Invalid):
    """Subnets hosted on the same network must be allocated from the same subnet pool."""

    code = "network.subnetpool_affinity"


class MinPrefixSubnetAllocationError(Invalid):
    """Unable to allocate subnet with prefix length {prefixlen}, minimum allowed prefix is {min_prefixlen}."""

    code = "subnetpool.prefixlen_below"


class MaxPrefixSubnetAllocationError(Invalid):
    """Unable to allocate subnet with prefix length {prefixlen}, maximum allowed prefix is {max_prefixlen}."""

    code = "subnetpool.prefixlen_above"


class SubnetPoolQuotaExceeded(Conflict):
    """Per-tenant subnet pool prefix quota exceeded."""

    code = "subnetpool.quota"


class SubnetAllocationError(Conflict):
    """Failed to allocate subnet: {reason}."""

    code = "subnetpool.exhausted"


class InvalidSubnetServiceType(InvalidInput):
    """Subnet service type {service_type} does not correspond to a valid device owner."""

    code = "subnet.service_type"


class IpAddressGenerationFailureNoMatchingSubnet(IpAddressGenerationFailure):
    """No valid service subnet for the given device owner, network {network_id}, service type {service_type}."""

    code = "network.no_service_subnet"
