"""Kombu's Redis transport, but for what is no message: kombu 5.7 lets it end the worker."""

import logging
from queue import Empty
from typing import Any

from kombu.transport import redis

log = logging.getLogger("surco.queue")


class Channel(redis.Channel):
    """Drops and logs what cannot be read as a message."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("Something in the queue was no message and was dropped.", exc_info=True)
            raise Empty from None


class Transport(redis.Transport):
    """`redis://` with the channel above."""

    Channel = Channel
