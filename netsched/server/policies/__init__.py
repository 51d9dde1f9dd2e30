"""Who may do what: oslo.policy rules, one file per resource, and the small class that asks them.

Rule names are the incumbent's (`create_network`, `create_network:shared`), so that its policy files carry over. A rule
with an attribute's name guards setting it (create, update) or seeing it (get); one more name is a member of an
attribute that is a dictionary, or a list of them (`create_port:fixed_ips:ip_address`). Rules may use the target's
project_id, tenant_id, shared, router:external and, to create subnets and ports and to give a port addresses,
network:project_id.

Review notes: a rule that needs a query is a bug (what a tenant sees at all is decided in the services' queries).
"""

from __future__ import annotations

import itertools

from oslo_policy import policy

from netsched.server.policies import (
    address_group,
    address_scope,
    addresses,
    agent,
    availability_zone,
    base,
    floatingip,
    network,
    port,
    quota,
    rbac_policy,
    router,
    security_group,
    subnet,
    subnetpool,
)


def list_rules() -> list[policy.RuleDefault]:
    """All rules, for oslopolicy-sample-generator and for `enforcer.Policy`."""
    pools, security = (subnetpool, address_scope), (security_group, address_group)
    modules = (base, network, subnet, port, quota, router, floatingip, agent, availability_zone, addresses, rbac_policy)
    return list(itertools.chain.from_iterable(module.RULES for module in (*modules, *pools, *security)))
