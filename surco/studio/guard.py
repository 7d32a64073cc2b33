"""Who may ask: the token, the host's name, the same origin; and what a browser may do with the answers."""

import secrets
from collections.abc import Sequence
from http.cookies import SimpleCookie
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "surco-studio"
HEALTH = "/health"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}


def is_loopback(host: str) -> bool:
    """Whether a server at this address can be reached from its own machine alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware before everything else.

    token : where there is one, it must come as a cookie, as `Authorization: Bearer`, or once as `?token=` in
        the address of the page, which answers with the cookie and the address without it
    hosts : names by which the server may be asked without a token, beside loopback's own; a foreign page
        that lets its name point here (DNS rebinding) is refused by it
    """

    def __init__(self, app: ASGIApp, *, token: str = "", hosts: Sequence[str] = ()):
        self.app, self.token, self.hosts = app, token, {h.lower() for h in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = None if _healthy(scope) else self._refusal(scope)
        await (self.app if refusal is None else refusal)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """What is answered instead of the app; None where it may be asked."""
        headers = Headers(scope=scope)
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _no(403, "Other sites may not ask this server.")
        if not self.token:
            if not self._known(headers.get("host", "")):
                return _no(403, "This server does not go by that name; tell it with --allow-host.")
            return None
        if self._shown(headers):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), "")
        if scope["method"] == "GET" and self._right(given):
            rest = urlencode([(n, v) for n, v in query if n != "token"])
            answer = RedirectResponse(f"./?{rest}" if rest else "./", status_code=303)
            path = f"{scope.get('root_path', '')}/"
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict", path=path)
            return answer
        return _no(401, "Open the address that the studio printed when it started: it holds the token.")

    def _known(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        return is_loopback(name.lower()) or name.lower() in self.hosts or host.lower() in self.hosts

    def _shown(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get("cookie", ""))
        except Exception:  # a malformed cookie is none
            cookies.clear()
        kept = cookies[COOKIE].value if COOKIE in cookies else ""
        return self._right(kept) or (scheme.lower() == "bearer" and self._right(bearer))

    def _right(self, given: str) -> bool:
        return bool(given) and secrets.compare_digest(given.encode(), self.token.encode())


def _healthy(scope: Scope) -> bool:
    """Whether only the server's health is asked for, which a probe does without token or name."""
    asked: tuple[str, str] = scope["method"], scope["path"]
    return asked == ("GET", f"{scope.get('root_path', '')}{HEALTH}")


def _no(status: int, why: str) -> Response:
    if status == 403:
        return JSONResponse({"error": why}, status)
    return PlainTextResponse(why + "\n", status)
