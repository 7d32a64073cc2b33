"""A TCP proxy that can stall, refuse, reset, and swallow answers: what a bad network does, on purpose."""

import contextlib
import socket
import struct
import threading
import time


class Proxy:
    """Listens on a loopback port of its own and passes bytes to `host:port` and back.

    Faults are attributes that any thread may set while connections are open:

    - `stalled`: bytes are held back, connections stay open and silent (a cut cable, dropped packets);
    - `refusing`: new connections are reset at once;
    - `swallow`: so many answers are thrown away, each with its connection (the request was heard).

    `host_header` rewrites the port in `Host: 127.0.0.1:<port>`, for a server that checks it; both ports
    must have as many digits.
    """

    def __init__(self, port: int, *, host: str = "127.0.0.1", host_header: bool = False):
        self.target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._rewrite = (
            (f"{host}:{self.port}".encode(), f"{host}:{port}".encode()) if host_header else None
        )  # fmt: skip
        self.stalled = threading.Event()
        self.refusing = threading.Event()
        self.swallow = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._dead: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True, name=f"proxy-{port}").start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def reset(self) -> int:
        """Reset every open connection (RST, not FIN); returns how many there were."""
        with self._lock:
            sockets = list(self._open)
        for one in sockets:
            _reset(one)
        return len(sockets)

    def heal(self) -> None:
        """No fault any more; what was held back flows on."""
        self.swallow = 0
        self.stalled.clear()
        self.refusing.clear()

    def heal_new_only(self) -> None:
        """Let new connections pass; those that were stalled stay open and silent, as behind a firewall."""
        with self._lock:
            self._dead |= self._open
        self.stalled.clear()

    def close(self) -> None:
        self._dead.clear()
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing.is_set():
                _reset(near)
                continue
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                _reset(near)
                continue
            far.settimeout(None)
            with self._lock:
                self._open |= {near, far}
            for source, sink, answers in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                while self.stalled.is_set() or source in self._dead:
                    time.sleep(0.02)
                if answers and self._swallows():
                    _reset(sink)
                    break
                if self._rewrite and not answers:
                    data = data.replace(*self._rewrite)
                sink.sendall(data)
        with self._lock:
            self._open -= {source, sink}
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _swallows(self) -> bool:
        with self._lock:
            if self.swallow > 0:
                self.swallow -= 1
                return True
            return False


def _reset(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
        one.close()
