#!/usr/bin/env python3
"""The gateway beside what one would put in its place, in interleaved rounds; see --help. Prints
tables in Markdown, and keeps every run as JSON. Fails when a contestant lost an event."""
import argparse
import datetime
import json
import os
import resource
import shlex
import signal
import subprocess
import sys

import contestants
import database
import measure
import processes
import tables

ROOT = os.path.dirname(os.path.dirname(contestants.HERE))
BUILD = os.path.join(ROOT, "build", "release")


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def list_of(kind):
    return lambda text: [kind(part) for part in text.split(",") if part]


def options():
    names = list(contestants.all_contestants(BUILD))
    parser = argparse.ArgumentParser(
        prog="./scripts/bench", description="Measures the gateway and its contestants beside each"
        " other: " + ", ".join(names) + ".")
    add = parser.add_argument
    add("--quick", action="store_true", help="about three minutes: the gateway, Go and nginx, 64"
        " connections, two rounds; other options go on top")
    add("--rounds", type=int)
    add("--window", type=float, help="seconds that count, of each run")
    add("--warm-up", type=float, help="seconds before them")
    add("--contestants", type=list_of(str), metavar="A,B")
    add("--loads", type=list_of(str), metavar="new,known,burst")
    add("--connections", type=list_of(int), metavar="16,64,256", help="of closed loops")
    add("--rates", type=list_of(float), metavar="1500", help="events a second, of open loops over"
        " 64 connections; 0 for none")
    add("--idle", type=int, metavar="N", help="idle connections whose memory is measured; 0: none")
    add("--directory", help="on the disk that PostgreSQL shall write to (/var/tmp)")
    add("--json", default=os.path.join(ROOT, "build", "bench.json"), metavar="FILE")
    given = parser.parse_args()
    usual = dict(rounds=3, window=3.0, warm_up=1.0, contestants=names,
                 loads=["new", "known", "burst"], connections=[16, 64, 256], rates=[1500.0],
                 idle=1000)
    if given.quick:
        usual.update(rounds=2, window=2.0, contestants=["gateway", "go-batch", "go", "nginx"],
                     loads=["new", "known"], connections=[64])
    for name, value in usual.items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    for name in given.contestants:
        if name not in names:
            parser.error(f"no contestant {name}; one of {', '.join(names)}")
    return given


def prepare(chosen):
    """Builds who takes part; returns the contestants, their versions and who is skipped, why."""
    ready, versions, skipped = {}, {}, {}
    for name, contestant in contestants.all_contestants(BUILD).items():
        if name not in chosen:
            continue
        say(f"preparing {contestant.name}")
        try:
            versions[name] = contestant.prepare()
            ready[name] = contestant
        except contestants.Skipped as why:
            skipped[name] = str(why)
            say(f"skipped: {contestant.name}: {why}")
    return ready, versions, skipped


def plan(given, ready):
    """All runs, round by round; in each, the contestants follow one another in a changing order."""
    points = [{"connections": n, "rate": 0} for n in given.connections]
    points += [{"connections": 64, "rate": rate} for rate in given.rates if rate]
    for round_number in range(given.rounds):
        for load in given.loads:
            for point in points:
                names = list(ready)
                turn = round_number % len(names)
                for name in names[turn:] + names[:turn]:
                    if ready[name].stores or not point["rate"]:
                        yield name, load, point


def run_all(given, ready, place, result):
    runs = list(plan(given, ready))
    result["runs_planned"] = len(runs)
    for seed, (name, load, point) in enumerate(runs, start=1):
        where = f"{load}, {point['connections']} connections" + (
            f", {point['rate']:g}/s" if point["rate"] else "")
        try:
            run = measure.measure(BUILD, place, ready[name], load, point, given, seed)
        except RuntimeError as fault:
            result["errors"].append(f"{ready[name].name} ({where}): {fault}")
            say(result["errors"][-1])
            continue
        result["runs"].append(dict(run, contestant=name, load=load, rate_wanted=point["rate"],
                                   connections=point["connections"]))
        say(f"{seed} of {len(runs)}: {name}, {where}: {run['rate']:.0f}/s, p99"
            f" {run['p99_ms']:.1f} ms, in step {run['in_step_after']:.1f} s later, others"
            f" {run['others_cores']:.2f} cores")
        if run["not_acked"]:
            result["errors"].append(f"{ready[name].name} ({where}): {run['not_acked']} requests"
                                    f" were not acknowledged: {run['statuses']}")
    if given.idle > 16:
        for name in ready:
            try:
                kib = measure.measure_idle(BUILD, place, ready[name], given.idle)
                result["idle"].setdefault(name, []).append(kib)
                say(f"{name}: {kib:.1f} KiB an idle connection")
            except RuntimeError as fault:
                result["errors"].append(str(fault))


def main():
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # servers are stopped
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    ready, versions, skipped = prepare(given.contestants)
    if not ready:
        sys.exit("bench: nobody is left to measure")
    settings = {name: getattr(given, name) for name in (
        "rounds", "window", "warm_up", "loads", "connections", "rates", "idle")}
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT,
                              capture_output=True, text=True).stdout.strip()
    result = {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
              "revision": revision or "no revision", "settings": settings,
              "command": shlex.join(["./scripts/bench", *sys.argv[1:]]),
              "machine": processes.machine(), "versions": versions, "skipped": skipped,
              "contestants": {name: c.name for name, c in
                              contestants.all_contestants(BUILD).items()},
              "runs": [], "runs_planned": 0, "idle": {}, "errors": []}
    cluster = database.Cluster(os.path.join(BUILD, "bench_cluster"), given.directory)
    try:
        versions["postgres"] = cluster.version()
        run_all(given, ready, measure.Place(cluster, cluster.directory), result)
    finally:
        cluster.close()
        result["load_average_after"] = os.getloadavg()
        with open(given.json, "w") as file:
            json.dump(result, file, indent=1)
        print(tables.document(result), flush=True)  # what there is, also when it was ended
        say(f"every run is in {given.json}")
    sys.exit(1 if result["errors"] else 0)


if __name__ == "__main__":
    main()
