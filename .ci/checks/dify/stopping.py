"""A client of the daemon that leaves in mid-answer, and clients that must never be cut off."""

import asyncio
import time

from dify.client import llm
from dify.streams import Streams, numbers

NOTICED_WITHIN = 15


async def _until(gateway, condition, seconds):
    """Waits until the gateway's counters are so; returns the seconds it took, or None."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if condition(await asyncio.to_thread(gateway.stats)):
            return time.monotonic() - started
        await asyncio.sleep(0.1)
    return None


async def _leave(report, streams, gateway, credentials, count, staying):
    """`count` clients leave long answers after two seconds; `staying` others hear theirs to the end."""
    tokens = 3000
    others = await streams.open_all(llm(credentials, "pace-100ms-250"), staying)
    before = gateway.stats()
    leaving = await streams.open_all(llm(credentials, f"pace-100ms-{tokens}"), count)
    await asyncio.sleep(2)
    for _, transport, _ in leaving:
        transport.abort()
    seconds = await _until(gateway, lambda stats: stats["requests_in_flight"] <= staying, 2 * NOTICED_WITHIN)
    after = gateway.stats()
    name = f"{count} of {count + staying} clients leave"
    report.check(f"{name}: the upstream connections are closed within {NOTICED_WITHIN} s", seconds and seconds <= NOTICED_WITHIN, seconds)
    report.check(f"{name}: no other call was ended", after["aborted"] - before["aborted"] == count, (before, after))
    await asyncio.gather(*(done for _, _, done in others))
    whole = sum(stream.text() == numbers(250) for stream, _, _ in others)
    report.check(f"{name}: the other {staying} answers are whole", whole == staying, whole)
    if seconds:
        # Ten a second each; the others' are not counted.
        given = (after["chunks"] - before["chunks"]) / count if not staying else (seconds + 2) * 10
        report.figure(f"{name}: the last one noticed after {seconds:.1f} s; of {tokens} tokens each, {tokens - given:.0f} "
                      f"({100 * (tokens - given) / tokens:.0f} %) were never generated")


async def _slow(report, streams, gateway, credentials):
    """A reader that stops for a minute, an upstream that is silent for a minute, both at once."""
    silent = await streams.open_all(llm(credentials, "pace-60000ms-1"), 20)
    slow = await streams.open_all(llm(credentials, "flood-30000"), 2)
    await asyncio.sleep(1)
    for _, transport, _ in slow:
        transport.pause_reading()
    await asyncio.sleep(60)
    for _, transport, _ in slow:
        transport.resume_reading()
    await asyncio.gather(*(done for _, _, done in slow + silent))
    report.check("2 readers that stop for 60 s in mid-answer get it whole",
                 all(stream.text() == numbers(30000) for stream, _, _ in slow), [len(stream.bytes) for stream, _, _ in slow])
    report.check("20 answers whose upstream is silent for 60 s are not cut",
                 all(stream.text() == numbers(1) for stream, _, _ in silent), [bytes(stream.bytes[-300:]) for stream, _, _ in silent[:2]])


def check(report, dify, daemon, gateway):
    """Everything about stopping."""
    report.section("a client that leaves in mid-answer")
    streams, credentials = Streams(dify), gateway.credentials("hmac")
    processes = daemon.plugin_processes()
    for count, staying in ((1, 0), (1, 1), (200, 0), (100, 100)):
        asyncio.run(_leave(report, streams, gateway, credentials, count, staying))
    asyncio.run(_slow(report, streams, gateway, credentials))
    report.check("the process is the same", daemon.plugin_processes() == processes, daemon.plugin_processes())
