"""One run: a contestant on a fresh database under one load, and everything that is counted."""
import json
import os
import socket
import subprocess
import time

import contestants
import processes

CAUGHT_UP_LIMIT_S = 300
KNOWN_SUBSCRIBERS = 2_000  # of source/bodies.cpp


class Place:
    """What a server is started with: ports that are free, a certificate, a directory, a database
    server."""

    def __init__(self, cluster, directory):
        self.cluster, self.directory = cluster, directory
        self.certificate = os.path.join(directory, "certificate.pem")
        self.private_key = os.path.join(directory, "private-key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", self.private_key, "-out", self.certificate],
                       check=True, capture_output=True)

    def choose_ports(self):
        with socket.socket() as a, socket.socket() as b:
            a.bind(("127.0.0.1", 0))
            b.bind(("127.0.0.1", 0))
            self.port, self.admin_port = a.getsockname()[1], b.getsockname()[1]


def sample(server, cluster):
    return {"time": time.monotonic(), "server_us": processes.cpu_us(server.pid),
            "postgres_us": processes.cpu_us(cluster.pid),
            "machine_us": processes.machine_busy_us(), "wal_bytes": cluster.wal_bytes()}


def between(before, after):
    return {name: after[name] - before[name] for name in before}


def source_command(build, place, contestant, load, point, settings, seed):
    seconds = settings.warm_up + settings.window
    # More than anybody answers; what stores nothing gets the same ones again.
    requests = (point["rate"] * seconds * 1.2 if point["rate"] else 50_000 * seconds)
    requests += KNOWN_SUBSCRIBERS
    return [os.path.join(build, "bench_source"), "--port", str(place.port), "--key",
            contestants.SIGNING_KEY, "--load", load, "--seed", str(seed), "--requests",
            str(int(requests if contestant.stores else min(requests, 50_000))), "--connections",
            str(point["connections"]), "--rate", str(point["rate"]), "--warm-up",
            str(settings.warm_up), "--window", str(settings.window), "--repeats",
            "0" if contestant.stores else "1", "--introduced",
            str(introduced(contestant, load))]


def introduced(contestant, load):
    """Events before a load of known subscribers: one of each, so that they are known."""
    return KNOWN_SUBSCRIBERS if load == "known" and contestant.stores else 0


def introduce(source, contestant, database):
    if source.stdout.readline() != "introduced\n":
        raise RuntimeError(f"{contestant.name}: the load source cannot connect")
    wait_until_caught_up(contestant, database)
    source.stdin.write("\n")
    source.stdin.flush()


def wait_until_caught_up(contestant, database):
    limit = time.monotonic() + CAUGHT_UP_LIMIT_S
    while any(contestant.behind(database)):
        if time.monotonic() > limit:
            raise RuntimeError(f"{contestant.name} is not in step after {CAUGHT_UP_LIMIT_S} s")
        time.sleep(0.05)


def check(contestant, database, counted):
    """Everything that was acknowledged is there, and nothing else but what may be."""
    not_acked = counted["unanswered"] + sum(counted["statuses"].values()) - counted["acks"]
    if counted["ran_out"]:
        raise RuntimeError("the load source has too few requests: shorten the window")
    if counted["acks"] == 0:
        raise RuntimeError(f"nothing was acknowledged: {counted['statuses']}")
    rows = contestant.rows(database) if contestant.stores else counted["acks"]
    if not counted["acks"] <= rows <= counted["acks"] + not_acked:
        raise RuntimeError(f"{counted['acks']} events were acknowledged and {rows} are there")
    return {"rows": rows, "not_acked": not_acked}


def measure(build, place, contestant, load, point, settings, seed):
    """{what: figure}; raises RuntimeError when the contestant loses or refuses what it should
    not."""
    cluster = place.cluster
    database = cluster.new_database(contestant.schema)
    server = contestant.start(place)
    try:
        source = subprocess.Popen(
            source_command(build, place, contestant, load, point, settings, seed),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if introduced(contestant, load):
            introduce(source, contestant, database)
        before = sample(server, cluster)
        if source.stdout.readline() != "begin\n":
            raise RuntimeError(f"{contestant.name}: the load source cannot connect")
        begin = sample(server, cluster)
        source.stdout.readline()
        end = sample(server, cluster)
        log_behind, models_behind = contestant.behind(database)
        counted = json.loads(source.stdout.readline())
        source.wait()
        wait_until_caught_up(contestant, database)
        caught_up = sample(server, cluster)
        counted.update(check(contestant, database, counted))
        peak = processes.memory_bytes(server.pid, "VmHWM")
    finally:
        contestants.stop(server)
        database.close()
    window, whole = between(begin, end), between(before, caught_up)
    events = max(counted["events"], 1)
    acks = counted["acks"] - introduced(contestant, load)
    load_us = counted["cpu_us"]
    others = window["machine_us"] - window["server_us"] - window["postgres_us"] - load_us
    in_step_after = caught_up["time"] - end["time"]
    return dict(counted, rate=counted["events"] / counted["seconds"],
                server_us=window["server_us"] / events, load_us=load_us / events,
                postgres_us=window["postgres_us"] / events,
                whole_server_us=whole["server_us"] / acks,
                whole_postgres_us=whole["postgres_us"] / acks,
                wal_bytes=whole["wal_bytes"] / acks, peak_mb=peak / 1e6,
                log_behind=log_behind, models_behind=models_behind, in_step_after=in_step_after,
                in_step_rate=acks / (caught_up["time"] - begin["time"] + settings.warm_up),
                others_cores=max(others, 0) / 1e6 / window["time"])


def measure_idle(build, place, contestant, count):
    """KiB of resident memory for each of `count` TLS connections that had one request answered."""
    database = place.cluster.new_database(contestant.schema)
    server = contestant.start(place)
    command = [os.path.join(build, "bench_source"), "--port", str(place.port), "--key",
               contestants.SIGNING_KEY, "--idle"]

    def hold(connections):
        source = subprocess.Popen(command + [str(connections)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        opened = source.stdout.readline() == "open\n"
        resident = processes.memory_bytes(server.pid, "VmRSS")
        source.stdin.close()
        source.wait()
        if not opened:
            raise RuntimeError(f"{contestant.name} does not hold {connections} connections")
        return resident

    try:
        few = hold(16)  # what a server sets up once is set up
        return (hold(count) - few) / 1024 / (count - 16)
    finally:
        contestants.stop(server)
        database.close()
