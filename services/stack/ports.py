"""Free loopback ports that nobody else will be handed by chance."""

import random
import socket

# Below the kernel's range for outgoing connections (32768 up), and so is every port + 10000.
_LOW, _HIGH = 12000, 22000
GRPC_OFFSET = 10000


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen here now; a connection still lingering is no obstacle."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_ports(count: int, *, with_grpc: bool = False, taken: set[int] | None = None) -> list[int]:
    """Pick `count` free ports; `with_grpc` asks that port + 10000 is free too, as SeaweedFS needs.

    Chosen at random, not by a fixed seed: two stacks that start together must not collide.
    """
    used = set(taken or ())
    found: list[int] = []
    candidates = random.SystemRandom().sample(range(_LOW, _HIGH), 2000)
    for port in candidates:
        wanted = {port, port + GRPC_OFFSET} if with_grpc else {port}
        if used.isdisjoint(wanted) and all(is_free(p) for p in wanted):
            found.append(port)
            used |= wanted
            if len(found) == count:
                return found
    raise OSError(f"No {count} free ports between {_LOW} and {_HIGH} on 127.0.0.1.")
