"""What the release before has made on the broker is what this one expects there, or no process of it would listen."""

from __future__ import annotations

import amqp

from netsched.rpc.transport import SERVER
from tests.rpc.conftest import open_amqp
from tests.rpc.receiver import Receiver
from tests.servers import RabbitMQ

# As `rabbitmqctl list_exchanges` and `list_queues` showed them under version 1.0; never edited.
EXCHANGES = {
    "netsched": {"type": "topic", "durable": True, "auto_delete": False},
    "netsched-agent_fanout": {"type": "fanout", "durable": True, "auto_delete": True},
    "netsched-server_fanout": {"type": "fanout", "durable": True, "auto_delete": True},
}
QUEUES = ("netsched-agent", "netsched-agent.dhcp_agent.h", "netsched-server", "netsched-server.any")


def test_old_and_new_processes_share_a_virtual_host(rabbitmq: RabbitMQ) -> None:
    url = rabbitmq.transport_url()
    address, vhost = url.split("@")[1].split("/")
    with amqp.Connection(address, "guest", "guest", virtual_host=vhost) as connection:
        channel = connection.channel()
        for name, arguments in EXCHANGES.items():
            channel.exchange_declare(name, **arguments)
        for name in QUEUES:
            channel.queue_declare(name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    server, agent = open_amqp(url), open_amqp(url)
    receiver = Receiver()
    servings = [server.serve(SERVER, receiver), agent.serve("dhcp_agent.h", receiver)]
    assert agent.call(SERVER, "echo", {"number": 1}, 20) == {"number": 1}
    server.cast("dhcp_agent.h", "note", {"number": 2})
    receiver.wait(2)
    for serving in servings:
        serving.stop()
    server.close()
    agent.close()
