"""Errors of security groups, their rules, address groups, and ports that are in groups."""

from __future__ import annotations

from netsched.errors.core import InvalidInput
from netsched.errors.kinds import Conflict, Invalid, NotFound


class SecurityGroupNotFound(NotFound):
    """Security group {id} does not exist"""

    code = "security_group.not_found"


class SecurityGroupRuleNotFound(NotFound):
    """Security group rule {id} does not exist"""

    code = "security_group_rule.not_found"


class DefaultSecurityGroupRuleNotFound(NotFound):
    """Default Security Group rule {id} does not exist"""

    code = "default_security_group_rule.not_found"


class AddressGroupNotFound(NotFound):
    """Address group {id} could not be found."""

    code = "address_group.not_found"


class AddressesNotFound(NotFound):
    """Addresses {addresses} not found in the address group {id}."""

    code = "address_group.addresses_not_found"


class AddressesAlreadyExist(Invalid):
    """Addresses {addresses} already exist in the address group {id}."""

    code = "address_group.addresses_exist"


class AddressGroupInUse(Conflict):
    """Address group {id} is in use on one or more security group rules."""

    code = "address_group.in_use"


class SecurityGroupInUse(Conflict):
    """Security Group {id} {reason}."""

    code = "security_group.in_use"


class SecurityGroupConflict(Conflict):
    """Error {reason} while attempting the operation."""

    code = "security_group.conflict"


class SecurityGroupCannotRemoveDefault(Conflict):
    """Insufficient rights for removing default security group."""

    code = "security_group.default_stays"


class SecurityGroupCannotUpdateDefault(Conflict):
    """Updating default security group not allowed."""

    code = "security_group.default_keeps_name"


class SecurityGroupDefaultAlreadyExists(Conflict):
    """Default security group already exists."""

    code = "security_group.default_exists"


class SecurityGroupRuleExists(Conflict):
    """Security group rule already exists. Rule id is {rule_id}."""

    code = "security_group_rule.exists"


class DefaultSecurityGroupRuleExists(Conflict):
    """Default Security group rule already exists. Rule id is {rule_id}."""

    code = "default_security_group_rule.exists"


class DuplicateSecurityGroupRuleInPost(Conflict):
    """Duplicate Security Group Rule in POST."""

    code = "security_group_rule.given_twice"


class DuplicateDefaultSgRuleInPost(Conflict):
    """Duplicate Default Security Group Rule in POST."""

    code = "default_security_group_rule.given_twice"


class SecurityGroupNotSingleGroupRules(InvalidInput):
    """Only allowed to update rules for one security profile at a time"""

    code = "security_group_rule.several_groups"


class SecurityGroupRulesNotSingleTenant(InvalidInput):
    """Multiple tenant_ids in bulk security group rule create not allowed"""

    code = "security_group_rule.several_projects"


class SecurityGroupInvalidPortRange(InvalidInput):
    """For TCP/UDP protocols, port_range_min must be <= port_range_max"""

    code = "security_group_rule.port_range"


class SecurityGroupInvalidPortValue(InvalidInput):
    """Invalid value for port {port}"""

    code = "security_group_rule.port"


class SecurityGroupInvalidProtocolForPort(InvalidInput):
    """Invalid protocol {protocol} for port range, only supported for {valid_port_protocols}."""

    code = "security_group_rule.protocol_without_ports"


class SecurityGroupInvalidIcmpValue(InvalidInput):
    """Invalid value for ICMP {field} ({attr}) {value}. It must be 0 to 255."""

    code = "security_group_rule.icmp"


class SecurityGroupMissingIcmpType(InvalidInput):
    """ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing."""

    code = "security_group_rule.icmp_type_missing"


class SecurityGroupEthertypeConflictWithProtocol(InvalidInput):
    """Invalid ethertype {ethertype} for protocol {protocol}."""

    code = "security_group_rule.ethertype_of_protocol"


class SecurityGroupRuleInvalidEtherType(InvalidInput):
    """Security group rule for ethertype '{ethertype}' not supported. Allowed values are {values}."""

    code = "security_group_rule.ethertype"


class SecurityGroupRuleInvalidProtocol(InvalidInput):
    """Security group rule protocol {protocol} not supported. Only protocol values {values} and integer \
representations [0 to 255] are supported."""

    code = "security_group_rule.protocol"


class SecurityGroupRuleParameterConflict(InvalidInput):
    """Conflicting value ethertype {ethertype} for CIDR {cidr}"""

    code = "security_group_rule.ethertype_of_prefix"


class SecurityGroupMultipleRemoteEntites(InvalidInput):
    """Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be provided."""

    code = "security_group_rule.several_remotes"


class SecurityGroupProtocolRequiredWithPorts(InvalidInput):
    """Must also specify protocol if port range is given."""

    code = "security_group_rule.ports_without_protocol"


class PortSecurityAndIPRequiredForSecurityGroups(InvalidInput):
    """Port security must be enabled and port must have an IP address in order to use security groups."""

    code = "port.groups_without_security"


class PortSecurityPortHasSecurityGroup(Conflict):
    """Port has security group associated. Cannot disable port security or IP address until security group is \
removed."""

    code = "port.security_with_groups"
