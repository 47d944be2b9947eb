"""What a streamed chunk costs on its way through the daemon, in the plugin and in the daemon."""

import asyncio
import json
import os
import statistics
import time

from dify.client import llm
from dify.services import cpu_seconds, peak_memory
from dify.streams import Streams, numbers

# Streams, chunks of each, model, windows. As fast as they come, and one every 20 ms.
LOADS = [(count, chunks, "flood", [-1, 0, 20]) for count, chunks in ((1, 60000), (32, 2000), (200, 400))]
LOADS += [(count, 400, "pace-20ms", [-1, 0, 20, 100]) for count in (1, 32, 200)]


def _percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(report, dify, daemon, gateway):
    """One row for each load and merge window."""
    report.section("figures")
    [plugin] = daemon.plugin_processes()
    credentials = gateway.credentials("hmac")
    streams = Streams(dify)
    asyncio.run(streams.whole(llm(credentials, "flood-2000"), 32))  # warm
    report.figure("| load | streams | merge_window_ms | chunks/s | chunks at the host, of 100 | plugin, µs a chunk | daemon, µs a chunk | "
                  "first chunk p50, ms | p99, ms |")
    report.figure("|---|---|---|---|---|---|---|---|---|")
    for count, chunks, kind, windows in LOADS:
        for window in windows:
            options = {**credentials, "advanced_options": json.dumps({"merge_window_ms": window})}
            before = cpu_seconds(plugin), cpu_seconds(daemon.process.pid), time.monotonic()
            done = asyncio.run(streams.whole(llm(options, f"{kind}-{chunks}"), count))
            seconds = time.monotonic() - before[2]
            plugin_cpu, daemon_cpu = cpu_seconds(plugin) - before[0], cpu_seconds(daemon.process.pid) - before[1]
            expected, total = numbers(chunks), count * chunks
            whole = sum(stream.text() == expected for stream in done)
            if whole != count:
                report.check(f"{count} streams, {kind}, window {window}: all whole", False, whole)
            first = [(stream.first - stream.started) * 1000 for stream in done]
            at_host = sum(stream.events() for stream in done)
            report.figure(f"| {kind} | {count} | {window} | {total / seconds:,.0f} | {100 * at_host / total:.1f} | {plugin_cpu / total * 1e6:.1f} | "
                          f"{daemon_cpu / total * 1e6:.1f} | {statistics.median(first):.0f} | {_percentile(first, 0.99):.0f} |")
    report.check("every answer of every load was whole", not any("all whole" in name for name in report.failed))
    report.figure(f"peak memory: plugin {peak_memory(plugin):.0f} MiB, daemon {peak_memory(daemon.process.pid):.0f} MiB; "
                  f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def measure_probes(report, dify, daemon, gateway, name):
    """1,000 streams that say next to nothing: what is left is the cost of asking about them."""
    [plugin] = daemon.plugin_processes()

    async def run():
        calls = await Streams(dify).open_all(llm(gateway.credentials("hmac"), "pace-40000ms-1"), 1000)
        await asyncio.sleep(6)
        before = cpu_seconds(plugin), cpu_seconds(daemon.process.pid)
        await asyncio.sleep(30)
        spent = cpu_seconds(plugin) - before[0], cpu_seconds(daemon.process.pid) - before[1]
        await asyncio.gather(*(done for _, _, done in calls))
        return spent, [stream for stream, _, _ in calls]

    (plugin_cpu, daemon_cpu), done = asyncio.run(run())
    whole = sum(stream.text() == numbers(1) for stream in done)
    report.check(f"1,000 silent streams, {name}: all whole", whole == 1000, whole)
    report.figure(f"1,000 silent streams, {name}: plugin {plugin_cpu / 30 * 100:.1f} %, daemon {daemon_cpu / 30 * 100:.1f} % of one core")
