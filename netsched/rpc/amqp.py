"""Messages over RabbitMQ, through oslo.messaging 18: how servers and agents on many hosts talk.

What follows from the rabbit driver's source (_drivers/impl_rabbit.py, _drivers/amqpdriver.py), checked by tests/rpc:

* A cast returns after the broker's confirm: connections are opened with ``confirm_publish``, and py-amqp's
  `basic_publish_confirm` waits for Basic.Ack (a Basic.Nack raises). With quorum queues a confirm means: a majority of
  the brokers has it on disk. It does not mean that a queue was bound: a message for an address that nobody has ever
  served is confirmed, and gone. (The mandatory flag would tell; the driver's handler for it raises before the Ack has
  been read, and that Ack would then stand for the connection's next message. Hence not used.)
* A message is acknowledged when it is read, before it is handled (RpcAMQPListener): at most once.
* The pool that handles messages takes any number, so that ``rabbit_qos_prefetch_count`` alone bounds nothing: the
  reader would acknowledge a burst and pile it up here. `_BoundedServer` stops reading when `threads` messages are
  being handled and as many wait; the rest of the burst stays in the broker.
* Casts carry a time to live, which the driver's public interface gives to calls only. It bounds the queue of a dead
  agent (and of absent servers, whose beats nobody wants when they are old) to what is sent in that time. The empty
  queue of an agent that never returns stays; a policy with "expires" for ^netsched-agent removes it.
* With TLS the name that a certificate must bear is, while there are several hosts, the one of whichever was tried
  first (kombu keeps it in the options when it goes on to the next), so each broker's certificate needs all names.
* A server that could not deliver an answer, because the queue for it went with the broker, drops all answers to that
  queue for a minute (ObsoleteReplyQueuesCache), also when it is there again. `_go_unanswered` takes another one.
* After a lost connection the driver waits ``kombu_reconnect_delay``, the same for all: ``kombu_reconnect_splay`` only
  reaches its log line. `set_defaults` gives each process a delay of its own.
"""

from __future__ import annotations

import functools
import logging
import random
import threading
from collections.abc import Callable
from typing import Any, Literal

import oslo_messaging
from amqp.exceptions import AMQPError
from kombu.exceptions import KombuError
from oslo_config import cfg
from oslo_messaging import opts
from oslo_messaging.rpc.dispatcher import DefaultRPCAccessPolicy, RPCDispatcher
from oslo_messaging.rpc.server import RPCServer

from netsched import errors
from netsched.rpc import outcome, transport

LOG = logging.getLogger(__name__)

SERVER_TOPIC = "netsched-server"
AGENT_TOPIC = "netsched-agent"
CAST_TTL = 120.0  # seconds; longer than any reconnect, much shorter than what anti-entropy would not have repaired
SEND_RETRIES = 2  # a pooled connection that broke while idle costs one; then Unavailable, within about 15 s
# Added to the URL of what calls. A broker that crashes within seconds of making a quorum queue may have it without a
# leader for ever ("leader not known" in its log; RabbitMQ 3.10), and who waits on it is deaf. An answer that is lost is
# asked for again, so its queue need not survive.
ANSWERS = "rabbit_transient_quorum_queue=false"
RETIRED = 60.0  # seconds after which nobody waits any more for an answer in a queue that was given up
SERVE_WAIT = 5.0  # seconds in which a broker that is there has made the queues
_METHOD = "deliver"  # the one method that the broker's messages name; ours is inside

# The driver translates most of what goes wrong below it, but not, for instance, a refused login.
BROKER_ERRORS = (oslo_messaging.MessagingException, KombuError, AMQPError, OSError)

Executor = Literal["threading", "eventlet"]


def set_defaults(conf: cfg.ConfigOpts) -> None:
    """Register oslo.messaging's options with our defaults for RabbitMQ, which a configuration file overrides.

    To be called before an AmqpTransport is made, which is when the driver reads them.

    Quorum queues throughout, but for answers (see ANSWERS): a killed broker then loses nothing that was confirmed. (All
    clients of a virtual host must agree on this; after a change it needs a new virtual host.)
    """
    wanted = {
        "rabbit_quorum_queue": True,
        "rabbit_transient_quorum_queue": True,
        "rabbit_qos_prefetch_count": 50,
        "rabbit_transient_queues_ttl": 600,
        "rabbit_interval_max": 10,
        "heartbeat_timeout_threshold": 30,
        "kombu_missing_consumer_retry_timeout": 10,
        "kombu_failover_strategy": "shuffle",
        "kombu_reconnect_delay": round(random.uniform(0.5, 2.0), 2),
    }
    group = "oslo_messaging_rabbit"
    for name, options in opts.list_opts():
        if name in (None, group):
            conf.register_opts(options, group=name)
    for name, value in wanted.items():
        conf.set_default(name, value, group=group)
    conf.set_default("control_exchange", "netsched")


class AmqpServing:
    """Listens at once if the broker is there, else as soon as it comes: an agent must start without one."""

    def __init__(self, listen: Callable[[], RPCServer]) -> None:
        """`listen` returns a server that has started; it may take for ever, or raise one of BROKER_ERRORS."""
        self._listen = listen
        self._lock = threading.Lock()
        self._server: RPCServer | None = None
        self._stopped = threading.Event()
        started = threading.Thread(target=self._start, name="rpc-start", daemon=True)
        started.start()
        started.join(SERVE_WAIT)
        if started.is_alive():
            LOG.warning("Not listening after %g s; still trying", SERVE_WAIT)

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
        if self._server is not None:
            _end(self._server)

    def _start(self) -> None:
        while not self._stopped.is_set():
            try:
                server = self._listen()
            except BROKER_ERRORS as error:  # it refused us; for one that is away the driver waits by itself
                LOG.error("The broker does not let us listen: %s", error)
                self._stopped.wait(random.uniform(5, 10))
                continue
            with self._lock:
                if not self._stopped.is_set():
                    self._server = server
                    return
            _end(server)


def _end(server: RPCServer) -> None:
    server.stop()
    server.wait()


class AmqpTransport:
    """Transport over the broker at `url`, rabbit://user:password@host:port[,user:password@host:port...]/vhost.

    `conf` is the global cfg.CONF: oslo.messaging reads some options there whatever it is given. `executor` "eventlet"
    is for a process that is monkey-patched. Connections come back by themselves; a broker that is away when the
    process starts is like one that goes away later. Raises Invalid for a URL that says nothing, and for
    TLS that would not verify whom it speaks to.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        url: str,
        executor: Executor = "threading",
        threads: int = 16,
        cast_ttl: float = CAST_TTL,
    ) -> None:
        _check_tls(conf)
        self._transport = _open(conf, url)
        self._open_calling: Callable[[], Any] = functools.partial(
            _open, conf, f"{url}{'&' if '?' in url else '?'}{ANSWERS}"
        )
        self._calling = self._open_calling()  # connects when it is first used
        self._executor = executor
        self._threads = threads
        self._cast_ttl = cast_ttl
        self._replies = threading.Event()
        self._opening = threading.Lock()
        self._renewing = threading.Lock()
        self._unanswered, self._patience = 0, 1

    def cast(self, address: str, method: str, payload: transport.Message) -> None:
        """Returns after the broker's confirm. Raises Unavailable within about 15 s if no broker gives one."""
        self._send(self._transport, address, method, payload, timeout=self._cast_ttl)

    def call(self, address: str, method: str, payload: transport.Message, timeout: float) -> transport.Message:
        """As the Protocol says; up to 15 s longer than `timeout` if the broker goes away under it."""
        self._wait_for_replies(timeout)
        calling = self._calling
        try:
            result = self._send(calling, address, method, payload, timeout=timeout, wait_for_reply=True)
        except errors.Unavailable as error:
            if isinstance(error.__cause__, oslo_messaging.MessagingTimeout):
                self._go_unanswered(calling)
            raise
        self._unanswered, self._patience = 0, 1
        return outcome.unwrap(result)

    def serve(self, address: str, handler: transport.Handler) -> AmqpServing:
        def listen() -> RPCServer:
            dispatcher = RPCDispatcher([_Endpoint(address, handler)], None, DefaultRPCAccessPolicy)
            target, most = _served(address), 2 * self._threads
            server = _BoundedServer(most, self._transport, target, dispatcher, self._executor)
            server.start(override_pool_size=self._threads)
            return server

        return AmqpServing(listen)

    def close(self) -> None:
        self._calling.cleanup()
        self._transport.cleanup()

    def _go_unanswered(self, calling: Any) -> None:
        """Call by another transport from now on, with a queue for answers of its own.

        There may just be no server to answer; so it takes twice as many unanswered calls each time.
        """
        with self._renewing:
            if calling is not self._calling:
                return  # calls that were under way together, of which the first has been enough
            self._unanswered += 1
            if self._unanswered < self._patience:
                return
            self._unanswered, self._patience = 0, 2 * self._patience
            self._calling = self._open_calling()
            self._replies.clear()
        retire = threading.Timer(RETIRED, calling.cleanup)
        retire.daemon = True
        retire.start()
        LOG.info("a call was not answered: answers are expected in another queue now")

    def _wait_for_replies(self, timeout: float) -> None:
        """Have the queue for answers, which the driver makes within the first call, there without any time-out."""
        if not self._replies.is_set() and self._opening.acquire(blocking=False):
            threading.Thread(target=self._open_replies, name="rpc-replies", daemon=True).start()
        if not self._replies.wait(timeout):
            raise errors.Unavailable(reason=f"no broker within {timeout:g} s")

    def _open_replies(self) -> None:
        try:
            self._calling._driver._get_reply_q()
            self._replies.set()
        except BROKER_ERRORS as error:
            LOG.error("The broker refuses us a queue for answers: %s", error)
        finally:
            self._opening.release()

    def _send(self, sender: Any, address: str, method: str, payload: transport.Message, **how: Any) -> Any:
        message = {"method": _METHOD, "args": {"method": method, "payload": payload}}
        try:
            # What RPCClient would do, except that its cast has no way to say how long a message lives.
            return sender._send(_target(address), {}, message, retry=SEND_RETRIES, **how)
        except BROKER_ERRORS as error:
            raise errors.Unavailable(reason=f"{method} to {address}: {error}") from error


def _open(conf: cfg.ConfigOpts, url: str) -> Any:
    try:
        return oslo_messaging.get_rpc_transport(conf, url)
    except (oslo_messaging.InvalidTransportURL, ValueError):
        # Not repeated in the message: it holds a password.
        form = "rabbit://USER:PASSWORD@HOST:PORT/VHOST, with further USER:PASSWORD@HOST:PORT after commas"
        raise errors.Invalid(reason=f"[messaging] transport is not of the form {form}") from None


def _check_tls(conf: cfg.ConfigOpts) -> None:
    """The driver verifies the broker's name only when it is given the authority's file; without one, a certificate for
    any name from any authority that the system trusts will do."""
    options = conf.oslo_messaging_rabbit
    if options.ssl and not options.ssl_ca_file:
        raise errors.Invalid(
            reason="[oslo_messaging_rabbit] ssl = true wants ssl_ca_file, or the broker's name would not be verified; "
            "the system's authorities are in /etc/ssl/certs/ca-certificates.crt"
        )


class _Endpoint:
    """What the broker's messages reach: one method, which hands on to a handler."""

    def __init__(self, address: str, handler: transport.Handler) -> None:
        self._address = address
        self._handler = handler

    def deliver(self, context: dict[str, Any], method: str, payload: transport.Message) -> transport.Message:
        """Errors travel in the answer, so that the other side needs no class of ours to be importable by name."""
        return outcome.run_guarded(self._handler, self._address, method, payload)


class _BoundedServer(RPCServer):  # type: ignore[misc]
    """An RPC server that stops reading when enough messages are under way.

    While it does not read, nor does it answer the broker's heartbeats: handlers that all block for longer than
    heartbeat_timeout_threshold cost a reconnect, and what was read ahead goes to another server.
    """

    def __init__(self, most: int, *rest: Any) -> None:
        super().__init__(*rest)
        self._room = threading.Semaphore(most)

    def _on_incoming(self, incoming: Any) -> None:
        self._room.acquire()
        super()._on_incoming(incoming)

    def _process_incoming(self, incoming: Any) -> None:
        try:
            super()._process_incoming(incoming)
        finally:
            self._room.release()


def _target(address: str) -> oslo_messaging.Target:
    """Where to send."""
    if address == transport.SERVER:
        return oslo_messaging.Target(topic=SERVER_TOPIC)
    return oslo_messaging.Target(topic=AGENT_TOPIC, server=address)


def _served(address: str) -> oslo_messaging.Target:
    """Where to listen. The driver makes a durable queue of each name it meets, so servers all bear the same one."""
    if address == transport.SERVER:
        return oslo_messaging.Target(topic=SERVER_TOPIC, server="any")
    return oslo_messaging.Target(topic=AGENT_TOPIC, server=address)
