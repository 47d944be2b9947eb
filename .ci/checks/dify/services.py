"""PostgreSQL, Redis and a Dify plugin daemon on loopback, for checks. Standard library only; Linux.

The daemon is the real one, unmodified: its programs come from the caller. PostgreSQL and Redis come from the system's
packages. Nothing is kept: data lives in a folder of the caller's, ports are free ones.
"""

import fcntl
import glob
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.request

SERVER_KEY = "check-server-key"
REDIS_PASSWORD = "check-redis"


def free_ports(count):
    """Free ports, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what, ready, seconds):
    """Waits until `ready` gives something true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := ready():
                return result
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def accepts(port):
    socket.create_connection(("127.0.0.1", port), timeout=1).close()
    return True


def stop(process, number=signal.SIGTERM, seconds=20):
    """Ends a process that was started here."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Stores:
    """PostgreSQL and Redis, while the block lasts."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.postgres_port, self.redis_port = free_ports(2)

    def __enter__(self):
        programs = shutil.which("initdb") or max(glob.glob("/usr/lib/postgresql/*/bin/initdb"), default=None)
        if programs is None or shutil.which("redis-server") is None:
            raise SystemExit("PostgreSQL and Redis are needed: the packages postgresql and redis-server")
        programs = pathlib.Path(programs).parent
        data = self.folder / "postgres"
        data.mkdir()
        # PostgreSQL refuses to run as root.
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if user:
            shutil.chown(data, "postgres", "postgres")
        log = open(self.folder / "stores.log", "wb")
        subprocess.run([programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"],
                       check=True, stdout=log, stderr=log, cwd="/", **user)
        self.postgres = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(self.postgres_port), "-k", data, "-c", "fsync=off",
             "-c", "listen_addresses=127.0.0.1"], stdout=log, stderr=log, cwd="/", **user)
        self.redis = subprocess.Popen(
            ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--requirepass",
             REDIS_PASSWORD], stdout=log, stderr=log, cwd=self.folder)
        for port in (self.postgres_port, self.redis_port):
            wait_for(f"port {port}", lambda port=port: accepts(port), 30)
        return self

    def __exit__(self, *_):
        stop(self.redis)
        stop(self.postgres, signal.SIGINT)

    def redis_command(self, *words):
        """Runs one Redis command and returns the raw reply."""
        with socket.create_connection(("127.0.0.1", self.redis_port), timeout=5) as connection:
            for command in (("AUTH", REDIS_PASSWORD), words):
                parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in command]
                connection.sendall(f"*{len(parts)}\r\n{''.join(parts)}".encode())
                reply = connection.recv(1 << 20)
        return reply.decode()


class Daemon:
    """The plugin daemon, while the block lasts. `programs` is the folder of its programs `daemon` and `dify`."""

    def __init__(self, stores, folder, program, dify, python, uv, **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.program = program
        self.port, self.debug_port = free_ports(2)
        self.log = self.folder / "daemon.log"
        self.environment = {
            **os.environ,
            "SERVER_HOST": "127.0.0.1", "SERVER_PORT": str(self.port), "SERVER_KEY": SERVER_KEY,
            "GIN_MODE": "release", "PLATFORM": "local",
            "DIFY_INNER_API_URL": "http://127.0.0.1:9", "DIFY_INNER_API_KEY": "unused",
            "PLUGIN_REMOTE_INSTALLING_ENABLED": "true", "PLUGIN_REMOTE_INSTALLING_HOST": "127.0.0.1",
            "PLUGIN_REMOTE_INSTALLING_PORT": str(self.debug_port),
            "PLUGIN_STORAGE_TYPE": "local", "PLUGIN_STORAGE_LOCAL_ROOT": str(self.folder / "storage"),
            "PLUGIN_INSTALLED_PATH": "plugin", "PLUGIN_WORKING_PATH": str(self.folder / "working"),
            "PERSISTENCE_STORAGE_PATH": "persistence",
            "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(stores.redis_port), "REDIS_PASSWORD": REDIS_PASSWORD,
            "REDIS_DB": "0",
            "DB_TYPE": "postgresql", "DB_USERNAME": "postgres", "DB_PASSWORD": "unused", "DB_HOST": "127.0.0.1",
            "DB_PORT": str(stores.postgres_port), "DB_DATABASE": self.folder.name, "DB_SSL_MODE": "disable",
            # The size Dify's own compose file gives; a call takes several.
            "ROUTINE_POOL_SIZE": "10000",
            "PYTHON_INTERPRETER_PATH": python, "UV_PATH": uv,
            # An install that wanted anything from an index would fail.
            "PIP_MIRROR_URL": "http://127.0.0.1:9/simple", "PIP_MIRROR_AUTO_DETECT": "false",
            "FORCE_VERIFYING_SIGNATURE": "false",
            **settings,
        }
        with open(self.log, "ab") as log:
            subprocess.run([dify, "migrate"], check=True, env=self.environment, cwd=self.folder, stdout=log, stderr=log)
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        stop(self.process)

    def start(self):
        """Starts it, and waits until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program], env=self.environment, cwd=self.folder, stdout=log, stderr=log)

        def healthy():
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended:\n{self.log_tail()}")
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/check", timeout=2) as answer:
                return answer.status == 200

        wait_for("the daemon", healthy, 60)

    def log_tail(self, size=4000):
        """The end of what it logged."""
        return self.log.read_text("utf-8", "replace")[-size:]

    def plugin_processes(self):
        """The plugin's processes that this daemon started, by id."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
                program = os.readlink(path.parent / "exe")
            except OSError:
                continue
            if int(fields[1]) == self.process.pid and "higress" in program:
                found.append(int(path.parent.name))
        return found


def kill(process_id):
    """Kills a process, and waits until its pipes are closed: what is written to them before that is lost to anybody."""
    os.kill(process_id, signal.SIGKILL)
    state = pathlib.Path(f"/proc/{process_id}/stat")
    wait_for("the end of a killed process", lambda: not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z", 10)


def network_is_off():
    """Whether this process has no network but loopback. Brings loopback up where it is not, as in a new namespace."""
    names = [name for _, name in socket.if_nameindex()]
    if names != ["lo"]:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = bytearray(struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(control, 0x8913, flags)  # SIOCGIFFLAGS
        up = struct.unpack("16sh14x", flags)[1] | 1  # IFF_UP
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", up))  # SIOCSIFFLAGS
    return True


def cpu_seconds(process_id):
    """Processor time that a process has used."""
    fields = pathlib.Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory(process_id):
    """The most memory a process has held, in MiB."""
    for line in pathlib.Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")
