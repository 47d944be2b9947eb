"""Many streamed calls at once through a plugin daemon, and what became of each. Standard library only."""

import asyncio
import dataclasses
import json
import time

from dify.client import request
from dify.services import SERVER_KEY


@dataclasses.dataclass
class Stream:
    """One call: what came, and when."""
    started: float
    first: float | None = None
    ended: float | None = None
    bytes: bytearray = dataclasses.field(default_factory=bytearray)

    def events(self):
        """How many chunks the host sent."""
        return self.bytes.count(b"\n\ndata: ")

    def text(self):
        """The answer's text. An error in the stream raises."""
        parts = []
        for line in self.bytes.split(b"\n"):
            if line.startswith(b"data: "):
                message = json.loads(line[6:])
                if message["code"]:
                    raise RuntimeError(message["message"])
                parts.append(message["data"]["delta"]["message"]["content"])
        return "".join(parts)


class _Reader(asyncio.Protocol):
    """Sends the request and collects the answer. Nothing is parsed here: the client shares the machine."""

    def __init__(self, body, stream, done):
        self.body, self.stream, self.done = body, stream, done

    def connection_made(self, transport):
        self.transport = transport
        self.stream.started = time.monotonic()
        transport.write(self.body)

    def data_received(self, data):
        self.stream.bytes += data
        if self.stream.first is None and b"data: " in self.stream.bytes:
            self.stream.first = time.monotonic()

    def connection_lost(self, _):
        self.stream.ended = time.monotonic()
        if not self.done.done():
            self.done.set_result(None)


class Streams:
    """Streamed calls of one workspace. HTTP/1.0, so that an answer is its bytes up to the close."""

    def __init__(self, dify):
        self.dify = dify

    def _bytes(self, data):
        body = json.dumps(request(data)).encode()
        head = (f"POST /plugin/{self.dify.tenant}/dispatch/llm/invoke HTTP/1.0\r\nHost: 127.0.0.1\r\n"
                f"X-Api-Key: {SERVER_KEY}\r\nX-Plugin-ID: {self.dify.plugin}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode() + body

    async def open(self, data):
        """Starts one call: the stream, its transport, and a future that is done at its end."""
        loop = asyncio.get_running_loop()
        stream, done = Stream(time.monotonic()), loop.create_future()
        transport, _ = await loop.create_connection(
            lambda: _Reader(self._bytes(data), stream, done), "127.0.0.1", self.dify.port)
        return stream, transport, done

    async def open_all(self, data, count):
        """Starts `count` calls."""
        return await asyncio.gather(*(self.open(data) for _ in range(count)))

    async def whole(self, data, count, seconds=300):
        """Runs `count` calls to their end."""
        calls = await self.open_all(data, count)
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(done for _, _, done in calls))
        return [stream for stream, _, _ in calls]


def numbers(count):
    """The text of the stand-in's `flood-` and `pace-` models."""
    return "".join(f"{number} " for number in range(count))
