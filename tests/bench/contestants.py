"""The gateway, and what one would put in its place. Each serves the same path over TLS, checks the
signature over the raw body and answers after its commit; nginx alone stores nothing: no receiver
can be faster. What they are built from stands in contestants/; what that downloads, in build/."""
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "contestants")
SIGNING_KEY = "bench-signing-key-0123456789"


class Skipped(Exception):
    """Cannot be had on this machine."""


def tool(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")  # nginx
    if not found:
        raise Skipped(f"{name} is not installed")
    return found


def run(command, **more):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, **more)
    except subprocess.TimeoutExpired:
        raise Skipped(f"{command[0]} took too long") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no word"]
        why = next((line for line in said if "error" in line), said[-1])
        raise Skipped(f"{os.path.basename(command[0])} {command[1]}: {why}")
    return done.stdout.strip()


def status_of(url, body=None):
    """None when nobody answers."""
    try:
        context = ssl._create_unverified_context() if url.startswith("https") else None
        return urllib.request.urlopen(url, body, timeout=2, context=context).status
    except urllib.error.HTTPError as answer:
        return answer.code
    except OSError:
        return None


class Contestant:
    """stores: whether there are rows to count."""
    schema = open(os.path.join(SOURCES, "table.sql")).read()
    stores = True

    def __init__(self, name, build):
        self.name, self.build = name, build

    def prepare(self):
        """Builds it; returns its version."""

    def command(self, place):
        raise NotImplementedError

    def environment(self, place):
        return dict(place.cluster.environment("run"), PORT=str(place.port),
                    TLS_CERT=place.certificate, TLS_KEY=place.private_key,
                    SIGNING_KEY=SIGNING_KEY,
                    DSN=f"host={place.cluster.socket} user=postgres dbname=run sslmode=disable")

    def is_ready(self, place):
        """It serves, and lets nothing in that is not signed."""
        return status_of(f"https://127.0.0.1:{place.port}/webhooks/attentive", b"{}") == 401

    def start(self, place):
        """Another program may take a port that was free: then on others."""
        for last_try in (False, False, True):
            place.choose_ports()
            try:
                return self.start_once(place)
            except RuntimeError:
                if last_try:
                    raise

    def start_once(self, place):
        with open(os.path.join(place.directory, "server.log"), "w") as log:
            server = subprocess.Popen(self.command(place), env=self.environment(place), stdout=log,
                                      stderr=log, cwd=place.directory)
        until = time.monotonic() + 60
        while not self.is_ready(place):
            if server.poll() is not None or time.monotonic() > until:
                server.kill()
                server.wait()
                raise RuntimeError(f"{self.name} does not serve: " + open(log.name).read()[-2000:])
            time.sleep(0.02)
        return server

    def rows(self, database):
        return int(database.ask("SELECT count(*) FROM event"))

    def behind(self, database):
        """Events that were answered and are not yet in the log, and not yet in what reports
        read."""
        return 0, 0


class Gateway(Contestant):
    schema = ""

    def prepare(self):
        return run([os.path.join(self.build, "attentive-gateway"), "--version"])

    def command(self, place):
        key = os.path.join(place.directory, "signing-key")
        with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(SIGNING_KEY)
        config = os.path.join(place.directory, "gateway.toml")
        with open(config, "w") as file:
            file.write(f"""
[listener]
address = '127.0.0.1:{place.port}'
tls_certificate = '{place.certificate}'
tls_private_key = '{place.private_key}'
trusted_proxies = ['127.0.0.1']
[[endpoint]]
name = 'attentive'
path = '/webhooks/attentive'
signing_keys = [ {{ id = 'bench', file = '{key}' }} ]
[database]
url = '{place.cluster.url("run")}'
[admin]
address = '127.0.0.1:{place.admin_port}'
[limits]
drain_delay = '0s'
""")
        return [os.path.join(self.build, "attentive-gateway"), "serve", "--migrate", "--config",
                config]

    def is_ready(self, place):
        ready = status_of(f"http://127.0.0.1:{place.admin_port}/readyz") == 200
        return ready and super().is_ready(place)

    def rows(self, database):
        refused = int(database.ask("SELECT count(*) FROM gateway.quarantine"))
        if refused:
            raise RuntimeError(f"{refused} events are in quarantine")
        return int(database.ask("SELECT count(*) FROM gateway.source_event"))

    def behind(self, database):
        # Log and read models follow the answer.
        lag = database.ask("SELECT deliveries || ' ' || events FROM gateway.projection_lag()")
        return tuple(int(each) for each in lag.split())


class Go(Contestant):
    """A program of its own in contestants/FOLDER, with arguments."""

    def __init__(self, name, build, folder, *arguments):
        super().__init__(name, build)
        self.folder, self.arguments = folder, arguments
        self.program = os.path.join(build, "bench", folder)

    def prepare(self):
        go = tool("go")
        run([go, "build", "-o", self.program, "."], cwd=os.path.join(SOURCES, self.folder))
        return run([go, "version"]).replace("go version ", "")

    def command(self, place):
        return [self.program, *self.arguments]


class Benthos(Go):
    def prepare(self):
        super().prepare()
        with open(os.path.join(SOURCES, self.folder, "go.mod")) as file:
            return next(line.split()[-1] for line in file if "/benthos/v4 " in line)


class Fastify(Contestant):
    def __init__(self, name, build, way):
        super().__init__(name, build)
        self.way = way
        self.folder = os.path.join(build, "bench", "fastify")

    def prepare(self):
        node, npm = tool("node"), tool("npm")
        shutil.copytree(os.path.join(SOURCES, "fastify"), self.folder, dirs_exist_ok=True)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=self.folder)
        return "node " + run([node, "--version"])

    def command(self, place):
        return ["node", os.path.join(self.folder, "server.js"), self.way]


class Nginx(Contestant):
    stores = False
    schema = ""

    def prepare(self):
        done = subprocess.run([tool("nginx"), "-v"], capture_output=True, text=True, check=True)
        return done.stderr.strip().replace("nginx version: ", "")

    def is_ready(self, place):
        return status_of(f"https://127.0.0.1:{place.port}/") == 200

    def command(self, place):
        config = os.path.join(place.directory, "nginx.conf")
        with open(os.path.join(SOURCES, "nginx.conf")) as file:
            text = file.read()
        for name, value in {"PORT": str(place.port), "TLS_CERT": place.certificate,
                            "TLS_KEY": place.private_key}.items():
            text = text.replace("${" + name + "}", value)
        with open(config, "w") as file:
            file.write(text)
        return [tool("nginx"), "-p", place.directory, "-c", config]


def all_contestants(build):
    return {
        "gateway": Gateway("attentive-gateway", build),
        "go-batch": Go("Go net/http + pgx, hand-batched", build, "go", "batch"),
        "go": Go("Go net/http + pgx, insert per request", build, "go", "insert"),
        "fastify-batch": Fastify("fastify + pg, hand-batched", build, "batch"),
        "fastify": Fastify("fastify + pg, insert per request", build, "insert"),
        "benthos": Benthos("Benthos, http_server to sql_insert", build, "benthos", "-c",
                           os.path.join(SOURCES, "benthos", "receiver.yaml")),
        "nginx": Nginx("nginx return 200 (stores nothing)", build),
    }


def stop(server):
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
