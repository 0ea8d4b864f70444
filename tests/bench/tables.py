"""Medians of the rounds as Markdown: tests/bench/RESULTS.md keeps what this prints."""
import statistics

YARDSTICK = "go-batch"  # what one would write instead


def median(runs, what):
    return statistics.median(run[what] for run in runs)


def number(value):
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.3g}"


def title_of(load, point):
    how = (f"open loop at {number(point['rate'])}/s" if point["rate"] else "closed loop")
    what = {"new": "new subscribers", "known": "2 000 known subscribers",
            "burst": "one campaign, sent to one subscriber after another"}[load]
    return f"### {what}, {point['connections']} connections, {how}"


HEAD = ["", "events/s (min–max)", "×", "p50 / p99 / p99.9 ms", "CPU µs: server / PG / load",
        "in n: server / PG", "all of it: server / PG µs", "WAL bytes", "peak MB",
        "behind at the end: log / models", "in step after s", "events/s until in step (×)"]


def row(name, runs, yardstick, n):
    def m(what):
        return median(runs, what)

    def times(what):
        return f"{m(what) / median(yardstick, what):.2f}" if yardstick else "–"

    rates = [run["rate"] for run in runs]
    in_n = f"{m('server_us') / n:.1f} / {m('postgres_us') / n:.1f}" if n else "–"
    return [name, f"{number(m('rate'))} ({number(min(rates))}–{number(max(rates))})",
            times("rate"),
            f"{number(m('p50_ms'))} / {number(m('p99_ms'))} / {number(m('p999_ms'))}",
            f"{m('server_us'):.0f} / {m('postgres_us'):.0f} / {m('load_us'):.0f}", in_n,
            f"{m('whole_server_us'):.0f} / {m('whole_postgres_us'):.0f}",
            number(m("wal_bytes")), number(m("peak_mb")),
            f"{number(m('log_behind'))} / {number(m('models_behind'))}",
            f"{m('in_step_after'):.1f}", f"{number(m('in_step_rate'))} ({times('in_step_rate')})"]


def line(cells):
    return "| " + " | ".join(cells) + " |"


def loops_of_nginx(runs):
    return [run for run in runs if run["contestant"] == "nginx" and not run["rate_wanted"]]


def load_tables(runs, names):
    """One for each load and number of connections. n: CPU of nginx an event, at 64 connections
    where it was measured there."""
    nginx = loops_of_nginx(runs)
    nginx = [run for run in nginx if run["connections"] == 64] or nginx
    n = median(nginx, "server_us") if nginx else None
    points = {(run["load"], run["connections"], run["rate_wanted"]): None for run in runs}
    out = []
    for load, connections, rate in points:
        of = {}
        for run in runs:
            if (run["load"], run["connections"], run["rate_wanted"]) == (load, connections, rate):
                of.setdefault(run["contestant"], []).append(run)
        out += ["", title_of(load, {"connections": connections, "rate": rate}), "", line(HEAD),
                "|---" * len(HEAD) + "|"]
        out += [line(row(names[key], of[key], of.get(YARDSTICK), n)) for key in names if key in of]
    return out


def document(result):
    machine, settings = result["machine"], result["settings"]
    names = result["contestants"]
    nginx = loops_of_nginx(result["runs"])
    others = [run["others_cores"] for run in result["runs"]] or [0]
    out = [f"Measured {result['date']} at {result['revision']}, by `{result['command']}`.", "",
           f"- {machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, shared"
           " by server, PostgreSQL and load source",
           "- " + ", ".join(f"{names[key]}: {version}"
                            for key, version in result["versions"].items() if key in names),
           f"- PostgreSQL {result['versions']['postgres']}, fsync on, the gateway's own settings",
           f"- medians of {settings['rounds']} interleaved rounds ({len(result['runs'])} of"
           f" {result['runs_planned']} runs), {settings['window']:g} s each after"
           f" {settings['warm_up']:g} s of warm-up, on an empty database each",
           f"- load average before {machine['load_average'][0]:.1f}, after"
           f" {result['load_average_after'][0]:.1f}; other programs took"
           f" {statistics.median(others):.2f} cores in the middle of the runs, {max(others):.2f} at"
           " most"]
    if nginx:
        out.append(f"- n, nginx' CPU an event: {median(nginx, 'server_us'):.1f} µs over all closed"
                   " loops")
    out += [f"- skipped: {names.get(key, key)}: {why}" for key, why in result["skipped"].items()]
    out += [f"- **error**: {fault}" for fault in result["errors"]]
    out += load_tables(result["runs"], names)
    if result["idle"]:
        out += ["", f"### Memory of an idle TLS connection, {settings['idle']} of them", "",
                line(["", "KiB"]), "|---|---|"]
        out += [line([names[key], number(statistics.median(kib))])
                for key, kib in result["idle"].items()]
    return "\n".join(out)
