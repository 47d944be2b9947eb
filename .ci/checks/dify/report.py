"""What a check found."""

import sys
import threading


class Report:
    """Prints one line for each thing that was looked at, and counts those that are not as they should be."""

    def __init__(self):
        self.failed = []
        self._lock = threading.Lock()

    def section(self, title):
        """A heading."""
        print(f"\n== {title}", flush=True)

    def check(self, name, right, detail=""):
        """One thing that must be so."""
        with self._lock:
            if right:
                print(f"ok    {name}", flush=True)
            else:
                self.failed.append(name)
                print(f"FAIL  {name}: {str(detail)[:2000]}", flush=True)
        return bool(right)

    def figure(self, text):
        """One thing that was measured."""
        print(f"      {text}", flush=True)

    def result(self):
        """The process's exit code."""
        print(f"\n{len(self.failed)} failed" + "".join(f"\n  {name}" for name in self.failed))
        sys.stdout.flush()
        return 1 if self.failed else 0
