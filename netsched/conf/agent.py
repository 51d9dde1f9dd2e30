"""What all agents share."""

from oslo_config import cfg

GROUP = "agent"
OPTS = [
    cfg.StrOpt("host", help="Name of this agent's host; the machine's own by default."),
    cfg.StrOpt(
        "zone",
        default="nova",
        regex=r"^[A-Za-z0-9_.:@ -]{1,255}$",  # as the API takes zones, in hints and in paths
        help="Availability zone of this agent: letters, digits, blanks and _.:@- .",
    ),
    cfg.StrOpt("state_dir", default="/var/lib/netsched-agent", help="For agents' copies and their daemons' files."),
    cfg.StrOpt("driver", default="linux", choices=["linux", "noop"], help="noop needs no privileges and does nothing."),
    cfg.IntOpt("workers", default=4, min=1, help="Objects made real at once."),
    cfg.IntOpt("capacity", min=0, help="Objects (networks, routers) this agent offers to hold; unlimited by default."),
    cfg.StrOpt(
        "mode", default="active", choices=["active", "passive"], help="passive: gets only what is bound by hand."
    ),
    cfg.BoolOpt(
        "enable_services_on_agents_with_admin_state_down",
        default=True,
        help="Keep serving what it has while the agent is administratively down.",
    ),
]
