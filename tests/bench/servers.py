"""Who is compared, how each is started, and what it cannot do."""
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

CRATE = pathlib.Path(__file__).resolve().parent.parent.parent
BAREWIRE = CRATE / "target/release/barewire"
TICKS = os.sysconf("SC_CLK_TCK")
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def barewire(*options):
    def command(folder, root, address, port, workers):
        return [str(BAREWIRE), "--port", str(port), "--bind", address, "--loops", str(workers), "--idle-timeout", "300s",
                *options, str(root)]
    return command


def nginx(lean):
    """The usual tuning; lean: without tcp_nopush and multi_accept, which costs it 40 ms stalls elsewhere."""
    def command(folder, root, address, port, workers):
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "nginx.conf").write_text(f"""
{user} worker_processes {workers}; pid {folder}/pid; error_log stderr crit; daemon off;
events {{ worker_connections 15000; {"" if lean else "multi_accept on;"} }}
http {{
  types {{ text/html html; text/plain txt; image/jpeg jpg; }}
  access_log off; {temporary}
  sendfile on; tcp_nodelay on; tcp_nopush {"off" if lean else "on"};
  keepalive_requests 100000000; keepalive_timeout 300s; reset_timedout_connection on;
  open_file_cache max=20000 inactive=60s; open_file_cache_valid 30s; open_file_cache_min_uses 1; open_file_cache_errors on;
  server {{ listen {address}:{port} backlog=4096; root {root}; autoindex on; dav_methods PUT; client_max_body_size 0; }}
}}
""")
        return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return command


def h2o(folder, root, address, port, workers):
    user = "user: root" if os.getuid() == 0 else ""
    (folder / "h2o.conf").write_text(f"""
{user}
num-threads: {workers}
max-connections: 15000
http1-request-timeout: 300
pid-file: {folder}/pid
error-log: /dev/null
listen: {{host: {address}, port: {port}}}
hosts: {{default: {{paths: {{/: {{file.dir: {root}, file.dirlisting: ON}}}}}}}}
""")
    return ["h2o", "-m", "worker", "-c", str(folder / "h2o.conf")]


def lighttpd(folder, root, address, port, workers):
    several = f"server.max-worker = {workers}" if workers > 1 else ""
    (folder / "lighttpd.conf").write_text(f"""
server.document-root = "{root}"
server.port = {port}
server.bind = "{address}"
server.modules = ("mod_dirlisting", "mod_staticfile")
dir-listing.activate = "enable"
{several}
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 300
server.max-fds = {min(20000, HARD_LIMIT)}
server.max-connections = {min(20000, HARD_LIMIT) * 3 // 4}
server.listen-backlog = 1024
mimetype.assign = (".html" => "text/html", ".jpg" => "image/jpeg", ".txt" => "text/plain")
""")
    return ["lighttpd", "-D", "-f", str(folder / "lighttpd.conf")]


def caddy(folder, root, address, port, workers):
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n auto_https off\n}}\nhttp://:{port} {{\n bind {address}\n root * {root}\n file_server browse\n}}\n")
    return ["env", f"GOMAXPROCS={workers}", f"HOME={folder}", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}",
            "caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def darkhttpd(folder, root, address, port, workers):
    return ["darkhttpd", str(root), "--addr", address, "--port", str(port), "--timeout", "300", "--maxconn", "15000"]


# How it is started, and the workloads it cannot do.
SERVERS = {
    "barewire": (barewire("--log", "off"), {"upload"}),
    "nginx": (nginx(False), set()),
    "nginx-lean": (nginx(True), set()),
    "h2o": (h2o, {"upload"}),
    "lighttpd": (lighttpd, {"upload"}),
    "caddy": (caddy, {"upload"}),
    "darkhttpd": (darkhttpd, {"upload", "pipelined"}),  # it answers the first of several and drops the others
}
# barewire with more switched on, and the only workloads these are measured with.
VARIANTS = {
    "barewire --log combined": (barewire("--log", "combined"), {"small", "browser", "connect"}),
    "barewire --write": (barewire("--log", "off", "--write"), {"small", "browser", "upload"}),
}


def program_of(command):
    """The file that is executed in the end."""
    words = [word for word in command if "=" not in word] if command[0] == "env" else command
    name = words[1] if command[0] == "env" else words[0]
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def on_processor(number):
    """What a child does before it becomes the program: pinned (`None`: not), in a group of its own, with all descriptors."""
    allowed = sorted(os.sched_getaffinity(0))

    def before():
        os.setsid()
        if number is not None:
            os.sched_setaffinity(0, {allowed[number % len(allowed)]})
        resource.setrlimit(resource.RLIMIT_NOFILE, (HARD_LIMIT, HARD_LIMIT))
    return before


def free_port(address):
    with socket.socket() as free:
        free.bind((address, 0))
        return free.getsockname()[1]


class Server:
    """A running server; `tool` is put before its command. With several workers it is not pinned."""

    def __init__(self, name, root, scratch, tool=(), patience=20, workers=1, address="127.0.0.1"):
        self.name, self.address, self.workers = name, address, workers
        self.port = free_port(address)
        self.folder = scratch / f"{name.replace(' ', '_')}-{self.port}"
        self.folder.mkdir()
        make, limits = SERVERS.get(name) or VARIANTS[name]
        self.can = (lambda w: w in limits) if name in VARIANTS else (lambda w: w not in limits)
        command = make(self.folder, root, address, self.port, workers)
        self.program = program_of(command)
        if self.program is None:
            raise OSError("not installed")
        command = [self.program if word == pathlib.Path(self.program).name else word for word in command]
        self.errors = open(self.folder / "stderr", "w+")
        self.log = open(self.folder / "log", "w")
        began = time.perf_counter()
        self.process = subprocess.Popen([*tool, *command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.errors,
                                        preexec_fn=on_processor(0 if workers == 1 else None))
        self.await_answer((root / "small.html").read_bytes(), patience)
        self.started = time.perf_counter() - began

    def await_answer(self, content, patience):
        end = time.monotonic() + patience
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection((self.address, self.port), 5) as s:
                    s.settimeout(5)
                    s.sendall(b"GET /small.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = b""
                    while piece := s.recv(65536):
                        answer += piece
                if answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 ")) and answer.endswith(content):
                    return
            except OSError:
                pass
            time.sleep(0.0003)
        self.stop()
        self.errors.seek(0)
        raise OSError("does not answer: " + self.errors.read()[-400:])

    def processes(self):
        """The server and its children."""
        children, found = {}, []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                children.setdefault(int(stat[stat.rindex(")") + 2:].split()[1]), []).append(int(entry))
        todo = [self.process.pid]
        while todo:
            found.append(todo.pop())
            todo += children.get(found[-1], [])
        return found

    def processor_seconds(self):
        ticks = 0
        for process in self.processes():
            stat = pathlib.Path(f"/proc/{process}/stat").read_text()
            ticks += sum(map(int, stat[stat.rindex(")") + 2:].split()[11:13]))
        return ticks / TICKS

    def resident_kib(self):
        kib = 0
        for process in self.processes():
            for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    kib += int(line.split()[1])
        return kib

    def stop(self, patience=5):
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, end)
                self.process.wait(patience)
                return
            except (OSError, subprocess.TimeoutExpired):
                continue
