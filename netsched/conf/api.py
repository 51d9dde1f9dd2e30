"""The REST API."""

from oslo_config import cfg

GROUP = "api"
OPTS = [
    cfg.StrOpt("bind_host", default="127.0.0.1", help="Address to listen on."),
    cfg.PortOpt("bind_port", default=9696, help="Port to listen on."),
    cfg.StrOpt(
        "auth_strategy",
        default="noauth",
        choices=["keystone", "noauth"],
        help="keystone: who asks is proved by a token of OpenStack Identity; set [keystone_authtoken]. noauth believes "
        "what the headers X-Project-Id, X-User-Id and X-Roles say, so it listens on loopback only unless "
        "--insecure-noauth is given.",
    ),
    cfg.StrOpt("policy_file", help="Overrides of the default policy (YAML); see policy.yaml.sample."),
    cfg.IntOpt("max_limit", default=0, min=0, help="Objects per page at most; 0 for no limit."),
    cfg.IntOpt("max_body", default=1024 * 1024, min=1024, help="Bytes of a request body at most."),
    cfg.BoolOpt(
        "open_metrics",
        default=False,
        help="Let everybody who can connect read /metrics, for scrapers without credentials; administrators only if "
        "not. With auth_strategy = noauth everybody is one.",
    ),
    cfg.BoolOpt(
        "forwarded",
        default=False,
        help="Believe X-Forwarded-Proto, X-Forwarded-Host and X-Forwarded-Prefix when links are made. Only safe behind "
        "a proxy that sets or removes all three: otherwise any client says where links lead.",
    ),
]
