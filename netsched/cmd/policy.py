"""The rules as this installation has them, for oslo.policy's programs (entry point oslo.policy.enforcer).

oslopolicy-validator --config-file /etc/netsched/netsched.conf --namespace netsched
"""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from netsched.conf import opts
from netsched.server.policies.enforcer import Policy


def enforcer() -> Any:
    """oslo.policy's Enforcer, by the configuration that its program has read into the global object."""
    conf = cfg.CONF
    opts.register(conf)
    made = Policy(conf, conf.api.policy_file).enforcer
    if conf.api.policy_file:
        conf.set_override("policy_file", conf.find_file(conf.api.policy_file), "oslo_policy")  # where a validator looks
    return made
