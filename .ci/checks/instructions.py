"""Counts the instructions that the program executes for one more chunk of a stream, and for one more call, and holds
them to ceilings. No clock: the same program gives the same counts, however busy the machine is.

Usage: instructions.py PROGRAM CEILINGS [--record]
CEILINGS is a JSON file; --record writes what was counted plus the margin there. Needs valgrind. Standard library only.

The program runs under callgrind as the daemon runs it, once with little work and once with more, against its built-in
gateway, which runs as it is. The difference is the cost of the work: start, first call and end drop out. The calls share one worker
thread, since which of several takes up what is a matter of luck, and taking it from another costs.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

from host import Plugin
from standin import Gateway

MARGIN = 1.05  # runs of one program differ by up to 1 %, merged by up to 3 %: what waits is a matter of timing

# What is counted: authentication, merge_window_ms, and the work: calls one after the other, each of a model.
CASES = {
    "a chunk, flooded, merging off": ("disabled", -1, [(1, "flood-20000"), (1, "flood-40000")], 20_000),
    "a chunk, flooded, merged": ("disabled", 0, [(1, "flood-20000"), (1, "flood-40000")], 20_000),
    "a call, signed": ("hmac", 0, [(50, "flood-1"), (250, "flood-1")], 200),
}


def count(program, gateway, mode, window, calls, model):
    """Instructions of a process that does this work and ends."""
    request = {"type": "model", "action": "invoke_llm", "user_id": "u", "provider": "higress", "model_type": "llm",
               "model": model, "model_parameters": {}, "stream": True, "tools": [], "stop": [],
               "prompt_messages": [{"role": "user", "content": "hi"}],
               "credentials": {**gateway.credentials(mode), "llm_usage_scenario": "text_generation",
                               "advanced_options": json.dumps({"merge_window_ms": window})}}
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile")
        plugin = Plugin(["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}", program],
                        env={"TOKIO_WORKER_THREADS": "1"})
        for _ in range(calls):
            stream, error = plugin.call(request, 120)
            if error or not stream[-1]["delta"]["usage"]:
                raise RuntimeError(f"{model}: {error or 'the answer is not whole'}")
        if code := plugin.close():
            raise RuntimeError(f"the program ended with {code}")
        return int(re.search(r"^totals: (\d+)$", profile.read_text(), re.MULTILINE).group(1))


def main(program, file, *options):
    ceilings = json.loads(Path(file).read_text()) if Path(file).exists() else {}
    counted, failed = {}, 0
    with Gateway(program) as gateway:
        for name, (mode, window, work, units) in CASES.items():
            less, more = (count(program, gateway, mode, window, *piece) for piece in work)
            counted[name] = (more - less) / units
            ceiling = ceilings.get(name, 0)
            held = counted[name] <= ceiling
            failed += not held
            print(f"{'ok   ' if held else 'FAIL '} {name}: {counted[name]:,.0f} instructions, at most {ceiling:,}")
    if "--record" in options:
        ceilings = {name: round(figure * MARGIN) for name, figure in counted.items()}
        Path(file).write_text(json.dumps(ceilings, indent=4) + "\n")
        return 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
