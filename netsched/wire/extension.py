"""The extensions that this service has, as clients look them up before they use one.

Names and dates are the incumbent's where the alias is. Listed here means: it works and tests say so.
"""

from __future__ import annotations

from netsched import errors


def _extension(alias: str, name: str, description: str, updated: str) -> dict[str, object]:
    return {"alias": alias, "name": name, "description": description, "updated": updated, "links": []}


EXTENSIONS = {
    str(extension["alias"]): extension
    for extension in (
        _extension("agent", "agent", "The agent management extension.", "2013-02-03T10:00:00-00:00"),
        _extension(
            "agent-resources-synced",
            "Agent's Resource View Synced to Placement",
            "Stores success/failure of last sync to Placement",
            "2018-12-19T00:00:00-00:00",
        ),
        _extension(
            "agent_sort_key", "Agents Sort Key", "Add sort key support for agents.", "2013-02-03T10:00:00-00:00"
        ),
        _extension(
            "allowed-address-pairs",
            "Allowed Address Pairs",
            "Provides allowed address pairs",
            "2013-07-23T10:00:00-00:00",
        ),
        _extension(
            "availability_zone", "Availability Zone", "The availability zone extension.", "2015-01-01T10:00:00-00:00"
        ),
        _extension(
            "availability_zone_filter",
            "Availability Zone Filter Extension",
            "Add filter parameters to AvailabilityZone resource",
            "2018-06-22T10:00:00-00:00",
        ),
        _extension(
            "binding",
            "Port Binding",
            "Expose port bindings of a virtual port to external application",
            "2014-02-03T10:00:00-00:00",
        ),
        _extension(
            "dhcp_agent_scheduler",
            "DHCP Agent Scheduler",
            "Schedule networks among dhcp agents",
            "2013-02-07T10:00:00-00:00",
        ),
        _extension("dns-integration", "DNS Integration", "Provides integration with DNS.", "2015-08-15T18:00:00-00:00"),
        _extension(
            "empty-string-filtering",
            "Empty String Filtering Extension",
            "Allow filtering by attributes with empty string value",
            "2018-05-01T10:00:00-00:00",
        ),
        _extension(
            "ext-gw-mode",
            "Neutron L3 Configurable external gateway mode",
            "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway",
            "2013-03-28T10:00:00-00:00",
        ),
        _extension(
            "external-net",
            "Neutron external network",
            "Adds external network attribute to network resource.",
            "2013-01-14T10:00:00-00:00",
        ),
        _extension(
            "extra_dhcp_opt",
            "Neutron Extra DHCP options",
            "Extra options configuration for DHCP. For example PXE boot options to DHCP clients can be specified",
            "2013-03-17T12:00:00-00:00",
        ),
        _extension(
            "extraroute", "Neutron Extra Route", "Extra routes configuration for L3 router", "2013-02-01T10:00:00-00:00"
        ),
        _extension(
            "extraroute-atomic",
            "Atomically add/remove extra routes",
            "Edit extra routes of a router on server side by atomically adding/removing extra routes",
            "2019-07-10T00:00:00+00:00",
        ),
        _extension(
            "filter-validation",
            "Filter parameters validation",
            "Provides validation on filter parameters.",
            "2018-07-04T10:00:00-00:00",
        ),
        _extension(
            "fip-port-details",
            "Floating IP Port Details Extension",
            "Add port_details attribute to Floating IP resource",
            "2018-04-09T10:00:00-00:00",
        ),
        _extension(
            "floatingip-pools",
            "Floating IP Pools Extension",
            "Provides a floating IP pools API.",
            "2018-03-21T10:00:00-00:00",
        ),
        _extension(
            "ip-substring-filtering",
            "IP address substring filtering",
            "Provides IP address substring filtering when listing ports",
            "2017-11-28T09:00:00-00:00",
        ),
        _extension(
            "l3-port-ip-change-not-allowed",
            "Prevent L3 router ports IP address change extension",
            "Prevent change of IP address for some L3 router ports",
            "2018-10-09T10:00:00-00:00",
        ),
        _extension(
            "l3_agent_scheduler",
            "L3 Agent Scheduler",
            "Schedule routers among l3 agents",
            "2013-02-07T10:00:00-00:00",
        ),
        _extension(
            "net-mtu", "Network MTU", "Provides MTU attribute for a network resource.", "2015-03-25T10:00:00-00:00"
        ),
        _extension(
            "net-mtu-writable",
            "Network MTU (writable)",
            "Provides a writable MTU attribute for a network resource.",
            "2017-07-12T00:00:00-00:00",
        ),
        _extension(
            "netsched-scheduling",
            "Scheduling reasons and service status",
            "Why a network or a router is bound where it is, the server's processes and its status.",
            "2026-11-21T00:00:00-00:00",
        ),
        _extension(
            "network-ip-availability",
            "Network IP Availability",
            "Provides IP availability data for each network and subnet.",
            "2015-09-24T00:00:00-00:00",
        ),
        _extension(
            "network_availability_zone",
            "Network Availability Zone",
            "Availability zone support for network.",
            "2015-01-01T10:00:00-00:00",
        ),
        _extension(
            "pagination",
            "Pagination support",
            "Extension that indicates that pagination is enabled.",
            "2016-06-12T00:00:00-00:00",
        ),
        _extension(
            "port-mac-address-regenerate",
            "Neutron Port MAC address regenerate",
            "Network port MAC address regenerate",
            "2018-05-03T10:00:00-00:00",
        ),
        _extension("port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00"),
        _extension(
            "project-id",
            "project_id field enabled",
            "Extension that indicates that project_id field is enabled.",
            "2016-09-09T09:09:09-09:09",
        ),
        _extension(
            "provider",
            "Provider Network",
            "Expose mapping of virtual networks to physical networks",
            "2012-09-07T10:00:00-00:00",
        ),
        _extension(
            "quota-check-limit",
            "Quota engine limit check",
            "Support for checking the resource usage before applying a new quota limit",
            "2021-09-08T16:00:00-00:00",
        ),
        _extension(
            "quota_details",
            "Quota details management support",
            "Expose functions for quotas usage statistics per project",
            "2017-02-10T10:00:00-00:00",
        ),
        _extension(
            "quotas",
            "Quota management support",
            "Expose functions for quotas management per project",
            "2012-07-29T10:00:00-00:00",
        ),
        _extension(
            "rbac-address-group",
            "Add address_group type to RBAC",
            "Add address_group type to RBAC",
            "2021-01-20T00:00:00-00:00",
        ),
        _extension(
            "rbac-address-scope",
            "Add address_scope type to RBAC",
            "Add address_scope type to RBAC",
            "2020-02-12T00:00:00-00:00",
        ),
        _extension(
            "rbac-policies",
            "RBAC Policies",
            "Allows creation and modification of policies that control tenant access to resources.",
            "2015-06-17T12:15:12-00:00",
        ),
        _extension(
            "rbac-security-groups",
            "Add security_group type to network RBAC",
            "Add security_group type to network RBAC",
            "2019-02-14T00:00:00-00:00",
        ),
        _extension(
            "rbac-subnetpool",
            "Add subnetpool type to RBAC",
            "Add subnetpool type to RBAC",
            "2020-02-05T00:00:00-00:00",
        ),
        _extension(
            "revision-if-match",
            "If-Match constraints based on revision_number",
            "Extension indicating that If-Match based on revision_number is supported.",
            "2016-12-11T00:00:00-00:00",
        ),
        _extension(
            "router",
            "Neutron L3 Router",
            "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks "
            "via a NAT gateway.",
            "2012-07-20T10:00:00-00:00",
        ),
        _extension(
            "router-admin-state-down-before-update",
            "Enforce Router's Admin State Down Before Update Extension",
            "Ensure that the admin state of a router is DOWN before updating the distributed attribute",
            "2019-07-02T15:56:00",
        ),
        _extension(
            "router_availability_zone",
            "Router Availability Zone",
            "Availability zone support for router.",
            "2015-01-01T10:00:00-00:00",
        ),
        _extension(
            "sorting",
            "Sorting support",
            "Extension that indicates that sorting is enabled.",
            "2016-06-12T00:00:00-00:00",
        ),
        _extension(
            "standard-attr-description",
            "standard-attr-description",
            "Extension to add descriptions to standard attributes",
            "2016-02-10T10:00:00-00:00",
        ),
        _extension(
            "standard-attr-revisions",
            "Resource revision numbers",
            "This extension will display the revision number of neutron resources.",
            "2016-04-11T10:00:00-00:00",
        ),
        _extension(
            "standard-attr-tag",
            "Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, "
            "router, floatingip",
            "Enables to set tag on resources with standard attribute.",
            "2017-01-01T00:00:00-00:00",
        ),
        _extension(
            "standard-attr-timestamp",
            "Resource timestamps",
            "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes.",
            "2016-09-12T10:00:00-00:00",
        ),
        _extension(
            "tag-creation",
            "Tag creation extension",
            "Allow to create tags of a resource in one request.",
            "2024-23-07T10:00:00-00:00",
        ),
        _extension(
            "address-scope",
            "Address scope",
            "Address scopes extension.",
            "2015-07-26T10:00:00-00:00",
        ),
        _extension(
            "address-group",
            "Address group",
            "Support address group",
            "2020-07-15T10:00:00-00:00",
        ),
        _extension(
            "port-security-groups-filtering",
            "Port filtering on security groups",
            "Provides security groups filtering when listing ports",
            "2018-01-09T09:00:00-00:00",
        ),
        _extension("security-group", "security-group", "The security groups extension.", "2012-10-05T10:00:00-00:00"),
        _extension(
            "security-groups-default-rules",
            "Default rules for security groups",
            "Configure set of security group rules used as default rules for every new security group",
            "2022-12-19T10:00:00-00:00",
        ),
        _extension(
            "security-groups-normalized-cidr",
            "Normalized CIDR field for security group rules",
            "Add new field with normalized remote_ip_prefix cidr in SG rule",
            "2020-07-28T10:00:00-00:00",
        ),
        _extension(
            "security-groups-remote-address-group",
            "Remote address group id field for security group rules",
            "Add new field of remote address group id in SG rules",
            "2020-08-25T10:00:00-00:00",
        ),
        _extension(
            "security-groups-rules-belongs-to-default-sg",
            "Security group rule belongs to the project's default security group",
            "Flag to determine if the security group rule belongs to the project's default security group",
            "2023-05-23T10:00:00-00:00",
        ),
        _extension(
            "security-groups-shared-filtering",
            "Security group filtering on the shared field",
            "Support filtering security groups on the shared field",
            "2021-10-05T09:00:00-00:00",
        ),
        _extension(
            "stateful-security-group",
            "Stateful security group",
            "Indicates if the security group is stateful or not",
            "2019-11-26T09:00:00-00:00",
        ),
        _extension(
            "default-subnetpools",
            "Default Subnetpools",
            "Provides ability to mark and use a subnetpool as the default.",
            "2016-02-18T18:00:00-00:00",
        ),
        _extension(
            "subnet-external-network",
            "Subnet belongs to an external network",
            "Informs if the subnet belongs to an external network",
            "2024-02-05T18:00:00-00:00",
        ),
        _extension(
            "subnet-service-types",
            "Subnet service types",
            "Provides ability to set the subnet service_types field",
            "2016-03-15T18:00:00-00:00",
        ),
        _extension(
            "subnet_allocation",
            "Subnet Allocation",
            "Enables allocation of subnets from a subnet pool",
            "2015-03-30T10:00:00-00:00",
        ),
        _extension(
            "subnet_onboard",
            "Subnet Onboard",
            "Provides support for onboarding subnets into subnet pools",
            "2018-12-18T09:00:00-00:00",
        ),
        _extension(
            "subnetpool-prefix-ops",
            "Subnet Pool Prefix Operations",
            "Provides support for adjusting the prefix list of subnet pools",
            "2019-02-08T10:00:00-00:00",
        ),
    )
}


def find(alias: str) -> dict[str, object]:
    """Raises ExtensionNotFound."""
    if alias not in EXTENSIONS:
        raise errors.ExtensionNotFound(id=repr(alias)[1:-1][:100])
    return EXTENSIONS[alias]
