"""A real HTTP server on 127.0.0.1 that misbehaves when told to."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """How one request is answered.

    share: the part of the body that is sent before the line is closed. stall: seconds of silence
    after that part. claims: a false Content-Length; 0 sends none. ranges: honours Range.
    drip: seconds between single bytes, for as long as anyone listens.
    """

    status: int = 200
    body: bytes | None = None
    share: float = 1.0
    stall: float = 0.0
    claims: int | None = None
    ranges: bool = True
    drip: float = 0.0


@dataclass
class Server:
    """files: path -> body. plan: path -> replies to its first requests; later ones are normal.

    seen: (path, Range header or "") of every request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    plan: dict[str, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    seen: list[tuple[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"site": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        return self

    def __exit__(self, *_):
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    site: Server

    def do_GET(self):
        wanted = self.headers.get("Range", "")
        self.site.seen.append((self.path, wanted))
        plan = self.site.plan[self.path]
        reply = plan.pop(0) if plan else Reply()
        body = self.site.files.get(self.path) if reply.body is None else reply.body
        status = 404 if body is None else reply.status
        body = body or b""
        start, size = 0, len(body)
        if wanted and reply.ranges and status == 200:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            status = 206 if start < size else 416
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        claims = size - start if reply.claims is None else reply.claims
        if claims:
            self.send_header("Content-Length", str(claims))
        self.end_headers()
        if status < 400:
            self._send(body[start:], reply)

    def _send(self, body, reply):
        try:
            if reply.drip:
                for at in range(len(body)):
                    self.wfile.write(body[at : at + 1])
                    if self.site.closing.wait(reply.drip):
                        return
            self.wfile.write(body[: int(len(body) * reply.share)])
            self.wfile.flush()
        except OSError:
            return  # the client hung up first
        self.site.closing.wait(reply.stall)

    def log_message(self, *_):
        """Keep quiet."""
