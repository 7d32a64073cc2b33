"""Kombu's Redis transport, but for two things that end a worker of kombu 5.7.

What is in a queue and no message raises out of its event loop; and after the connection was lost, giving
back or acknowledging a message asks a connection that is forgotten already for its address.
"""

import logging
from queue import Empty
from typing import Any

from kombu.transport import redis

log = logging.getLogger("surco.queue")


class Channel(redis.Channel):
    """Drops and logs what cannot be read as a message; remembers where its server is."""

    def __init__(self, connection: Any, **options: Any):
        self._server = connection.client
        super().__init__(connection, **options)

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            self.connection.client = self._server
        return super()._connparams(asynchronous=asynchronous)

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("Something in the queue was no message and was dropped.", exc_info=True)
            raise Empty from None


class Transport(redis.Transport):
    """`redis://` with the channel above."""

    Channel = Channel
