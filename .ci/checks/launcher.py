"""Checks main.py, the launcher: which program it starts, from what kind of files, and what it says when it cannot.

Usage: launcher.py [-v]. Standard library only; Linux. The program it starts is the shell, which shows its own process
id and the name it was started by. What needs rights that are not there is skipped, and named at the end.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

MAIN = pathlib.Path(__file__).resolve().parents[2] / "main.py"
SHELL = os.path.realpath(shutil.which("sh"))
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
NOBODY = 65534


class Launcher(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        self.unpack(self.folder)

    def unpack(self, folder, source=SHELL):
        """Lays out a package as the daemon does: every file 0644."""
        (folder / "bin").mkdir(exist_ok=True)
        shutil.copyfile(MAIN, folder / "main.py")
        shutil.copyfile(source, folder / "bin" / f"higress-linux-{ARCH}")
        (folder / "main.py").chmod(0o644)
        self.program(folder).chmod(0o644)

    def program(self, folder=None):
        return (folder or self.folder) / "bin" / f"higress-linux-{ARCH}"

    def start(self, folder=None, script='echo "$$ $0"', **options):
        """Runs the launcher as the daemon does, with `script` on its input."""
        process = subprocess.Popen(
            [options.pop("python", sys.executable), "-B", "-m", "main"], cwd=folder or self.folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        out, err = process.communicate(script + "\n", timeout=20)
        return process, out, err

    def assert_started(self, process, out, err, program=None):
        self.assertEqual((process.returncode, err), (0, ""))
        self.assertEqual(out, f"{process.pid} {program or self.program()}\n", "one process, nothing else on stdout")

    def assert_refused(self, process, out, err, reason):
        self.assertEqual((process.returncode, out), (126, ""))
        self.assertEqual(err.count("\n"), 1, err)
        self.assertIn(reason, err)

    def test_unpacked_without_mode_bits(self):
        self.assert_started(*self.start())
        self.assertTrue(self.program().stat().st_mode & 0o100, "the next start needs one attempt less")

    def test_executable_already(self):
        self.program().chmod(0o755)
        self.assert_started(*self.start())

    def test_environment_input_and_exit_code_pass_through(self):
        process, out, _ = self.start(script='echo "$GREETING"; exit 7', env={**os.environ, "GREETING": "hello"})
        self.assertEqual((process.returncode, out), (7, "hello\n"))

    def test_program_of_an_installed_wheel_comes_first(self):
        scripts = self.folder / "venv" / "bin"
        scripts.mkdir(parents=True)
        (self.folder / "venv" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
        (scripts / "python").symlink_to(os.path.realpath(sys.executable))
        shutil.copyfile(SHELL, scripts / "higress-dify-plugin")
        (scripts / "higress-dify-plugin").chmod(0o755)
        started = self.start(python=str(scripts / "python"))
        self.assert_started(*started, program=scripts / "higress-dify-plugin")

    def test_missing_program(self):
        self.program().unlink()
        self.assert_refused(*self.start(), "No such file or directory")

    def test_machine_that_no_program_is_built_for(self):
        uname = "os.uname = lambda: type('', (), {'machine': 'riscv64'})"
        done = subprocess.run(
            [sys.executable, "-B", "-c", f"import os, runpy; {uname}; runpy.run_module('main', run_name='__main__')"],
            cwd=self.folder, capture_output=True, text=True)
        self.assert_refused(done, done.stdout, done.stderr, "higress-linux-riscv64: No such file or directory")

    def test_program_of_another_machine(self):
        other = {"amd64": 183, "arm64": 62}[ARCH]
        header = bytearray(self.program().read_bytes())
        header[18:20] = other.to_bytes(2, "little")
        self.program().write_bytes(header)
        self.assert_refused(*self.start(), "Exec format error")

    def test_empty_program(self):
        self.program().write_bytes(b"")
        self.assert_refused(*self.start(), "Exec format error")

    def test_program_that_may_not_be_read(self):
        as_nobody, python = self.other_user()
        self.program().chmod(0o600)
        self.assert_refused(*self.start(python=python, **as_nobody), "Permission denied")

    def test_files_of_another_user(self):
        as_nobody, python = self.other_user()
        self.assert_started(*self.start(python=python, **as_nobody))
        self.assertFalse(self.program().stat().st_mode & 0o111, "not ours to change")

    def other_user(self):
        """How to start as a user who owns nothing, and an interpreter that this user may start."""
        if os.geteuid() != 0:
            self.skipTest("needs root to start as another user")
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for python in (sys.executable, "/usr/bin/python3"):
            try:
                subprocess.run([python, "-c", ""], check=True, **as_nobody)
            except OSError:
                continue
            return as_nobody, python
        self.skipTest("no interpreter that another user may start")

    def mounted(self, options):
        """A package on a file system of its own."""
        folder = self.folder / "mount"
        folder.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, text=True)
        if mount.returncode:
            self.skipTest(f"mounting is not permitted: {mount.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        self.unpack(folder)
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
        return folder

    def test_read_only_mount(self):
        folder = self.mounted("ro")
        self.assert_started(*self.start(folder), program=self.program(folder))

    def test_noexec_mount(self):
        folder = self.mounted("noexec")
        self.assert_started(*self.start(folder), program=self.program(folder))

    def test_read_only_noexec_mount(self):
        folder = self.mounted("ro,noexec")
        self.assert_started(*self.start(folder), program=self.program(folder))

    def with_memory_files(self, setting):
        """Starts from a noexec mount under this setting of `vm.memfd_noexec`, which belongs to a process namespace."""
        folder = self.mounted("ro,noexec")
        script = f"echo {setting} > /proc/sys/vm/memfd_noexec && exec \"$@\""
        namespace = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh"]
        if subprocess.run([*namespace, "true"], capture_output=True).returncode:
            self.skipTest("needs Linux 6.3 and a process namespace of its own")
        done = subprocess.run([*namespace, sys.executable, "-B", "-m", "main"], cwd=folder, input='echo "$0"\n',
                              capture_output=True, text=True, timeout=20)
        return folder, (done, done.stdout, done.stderr)

    def test_memory_files_that_are_not_executable_unless_told(self):
        folder, (done, out, err) = self.with_memory_files(1)
        self.assertEqual((done.returncode, out, err), (0, f"{self.program(folder)}\n", ""))

    def test_memory_files_that_are_never_executable(self):
        _, refused = self.with_memory_files(2)
        self.assert_refused(*refused, "Permission denied")

    def test_importing_it_does_nothing(self):
        done = subprocess.run([sys.executable, "-B", "-c", "import main"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_at_most_sixty_lines_of_the_standard_library(self):
        lines = MAIN.read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), 60)
        self.assertEqual([line for line in lines if "import " in line and not line.startswith(" ")],
                         ["import os", "import sys"])

    def test_costs_little_more_than_the_interpreter(self):
        def median(arguments):
            times = []
            for _ in range(9):
                began = time.monotonic()
                subprocess.run([sys.executable, "-B", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, check=True)
                times.append(time.monotonic() - began)
            return sorted(times)[len(times) // 2]
        bare, launched = median(["-c", "pass"]), median(["-m", "main"])
        print(f"\ninterpreter {bare * 1000:.1f} ms, with launcher and shell {launched * 1000:.1f} ms", file=sys.stderr)
        self.assertLess(launched - bare, 0.2)


if __name__ == "__main__":
    result = unittest.main(exit=False).result
    for test, reason in result.skipped:
        print(f"NOT CHECKED  {test.id()}: {reason}", file=sys.stderr)
    sys.exit(not result.wasSuccessful())
