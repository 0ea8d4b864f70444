#!/usr/bin/env python3
"""The package on a host with a real systemd and PostgreSQL, set up as README says, word for word.

    service_test.py BUILD_DIRECTORY

While everything happens to it that happens to a service in years (outages, renewals, a kill, an
upgrade and the way back), a sender posts signed events: none may be refused, and each has to be in
the database once at the end."""
import pathlib
import re
import sys
import tempfile
import threading

import debian_host
from debian_host import quiet, say, wait_for
from readme import block_of

PACKAGES = "systemd systemd-sysv dbus postgresql openssl curl jq sudo"
URL = "https://events.example.com:8443/webhooks/attentive"
CONFIG = "/etc/attentive-gateway/gateway.toml"
SERVICE = "attentive-gateway.service"
BATCH = 25
CREATE_ROLES = 'sudo -u postgres psql -c "CREATE ROLE ana'


def expect(truth, what):
    if not truth:
        raise RuntimeError(what)


class Sender(threading.Thread):
    """Posts batches of new events, one after the other, until it is told to stop. As Attentive does,
    it sends again what had no answer: because the gateway was killed, or, on a busy machine, because
    it was late. A refusal, of an event or of a connection, ends it."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.host, self.key = host, "the-key-from-Attentive"
        self.begun = self.done = 0
        self.fault = None
        self.may_break = False
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.begun += 1
                while not self.post(self.begun):
                    pass
                self.done += 1
        except Exception as fault:  # for the main thread
            self.fault = fault

    def post(self, seed):
        sent = self.host.run(
            f"KEY='{self.key}' /usr/local/bin/sender send --url {URL} --key-env KEY --unique"
            f" --seed {seed} --count {BATCH} --rate 50 --connections 3")
        statuses = re.findall(r"status (\d+) ", sent.output)
        expect(all(status.startswith("2") for status in statuses), f"refused: {sent.text}")
        late = "timed out" in sent.text
        expect(sent.code == 0 or self.may_break or late, f"no answer: {sent.text}")
        expect("refused" not in sent.text, f"refused: {sent.text}")
        return sent.code == 0

    def check(self):
        if self.fault:
            raise self.fault

    def go_on(self, batches=2):
        """Waits until so many whole batches were answered that were not begun yet."""
        until = self.begun + batches
        wait_for("answers", lambda: self.check() or self.done >= until, 300)

    def finish(self, events):
        wait_for("the last events", lambda: self.check() or self.done * BATCH >= events, 600)
        self.stopping.set()
        self.join(300)
        self.check()
        return self.done * BATCH


class Operator:
    """Types what README says, and looks what came of it."""

    def __init__(self, host):
        self.host = host

    def type(self, command, code=0):
        done = self.host.run("set -euo pipefail; " + command)
        expect(done.code == code, f"{command}\nexit {done.code}, not {code}:\n{done.text}")
        return done.text

    def follow(self, beginning):
        return self.type(block_of(beginning))

    def edit(self, old, new):
        config = self.host.path(CONFIG)
        text = config.read_text()
        expect(old in text, f"{CONFIG} has no {old!r}")
        config.write_text(text.replace(old, new))

    def query(self, sql, database="attentive"):
        return self.type(f"cd /; sudo -u postgres psql -XAtd {database} -c \"{sql}\"").strip()

    def applied(self):
        """Waits until the log has all that was acknowledged before."""
        now = self.query("SELECT now()")
        waiting = f"SELECT count(*) FROM gateway.intake_waiting WHERE appended_at < '{now}'"
        wait_for("the applier", lambda: self.query(waiting) == "0", 60)

    def stored(self):
        self.applied()
        return int(self.query("SELECT count(*) FROM gateway.source_event"))

    def property(self, name, unit=SERVICE):
        return self.type(f"systemctl show -P {name} {unit}").strip()

    def spooled(self):
        return int(re.search(r"^events +(\d+)", self.type("attentive-gateway spool status"),
                             re.MULTILINE)[1])

    def drained(self):
        wait_for("the spool to drain", lambda: self.spooled() == 0, 300)

    def metric(self, name):
        text = self.type("curl -sS http://127.0.0.1:9464/metrics")
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0

    def certificate(self):
        return self.type("openssl s_client -connect 127.0.0.1:8443 -servername events.example.com"
                         " </dev/null 2>/dev/null | openssl x509 -noout -serial").strip()


def at_our_port(block):
    """There is no balancer before this gateway."""
    return block.replace("events.example.com/", "events.example.com:8443/")


def make_certificates(operator):
    """Two certificates of one authority that the host trusts, the second as certbot leaves it."""
    operator.type(r"""
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
            -subj '/CN=An authority' -keyout ca.key -out /usr/local/share/ca-certificates/own.crt
        update-ca-certificates
        for directory in . renewed; do
            mkdir -p $directory
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=events' \
                -keyout $directory/privkey.pem -out request.pem
            openssl x509 -req -in request.pem -CA /usr/local/share/ca-certificates/own.crt \
                -CAkey ca.key -CAcreateserial -days 90 -out $directory/fullchain.pem \
                -extfile <(echo subjectAltName=DNS:events.example.com)
        done""")


def set_up(operator):
    make_certificates(operator)
    install = block_of("./scripts/setup").splitlines()[-1]
    operator.type(install)
    operator.follow("sudo -u postgres createdb attentive")
    operator.follow("credentials=")
    operator.edit("# password", "password")
    diagnosis = operator.follow("sudo systemctl enable")
    expect("FAIL" not in diagnosis, diagnosis)
    operator.follow("install -m 0600 /dev/stdin /etc")
    operator.type(at_our_port(block_of("attentive-gateway send")))
    expect(operator.stored() == 11, "the test events are not stored")


def operators_commands(operator, sender):
    for command in ("check-config", "doctor", "report", "quarantine list", "retention",
                    "spool status", "spool verify"):
        operator.type(f"attentive-gateway {command}")
    made = {name: re.search(rf"ROLE {name} LOGIN PASSWORD '(.*?)'", block_of(CREATE_ROLES))[1]
            for name in ("ana", "pia")}
    operator.follow(CREATE_ROLES)
    lines = "".join(f"127.0.0.1:*:attentive:{name}:{word}\n" for name, word in made.items())
    operator.type(f"install -m 0600 /dev/stdin .pgpass <<< '{lines}'")
    operator.follow("attentive-gateway report attributed_orders")
    operator.type("{ attentive-gateway tail --url postgresql://ana@127.0.0.1/attentive || true; }"
                  " | head -n 1 | grep .")
    identity = block_of("attentive-gateway explain-identity")  # of a documented sample
    wait_for("the read models", lambda: operator.host.run(identity.splitlines()[0]).code == 0)
    operator.type(identity)
    company, phone = operator.query(
        "SELECT company_id, identifiers->'phone'->>0 FROM gateway.source_event"
        " WHERE identifiers ? 'phone' LIMIT 1").split("|")
    erase = block_of("$ attentive-gateway erase").splitlines()[0].removeprefix("$ ")
    erase = re.sub(r"--company \S+", f"--company {company}", erase)
    operator.type(re.sub(r"--phone \S+", f"--phone {phone}", erase))
    operator.type("sudo -u postgres attentive-gateway report --url postgresql:///attentive")
    sender.go_on(1)


def quarantine_keeps_what_is_no_event(operator, sender):
    body = '{"type":"no.such","timestamp":1700000000000,"company":{"company_id":"a"}}'
    operator.type(f"echo '{body}' > body.json; attentive-gateway send --url {URL} --body-file"
                  " body.json --key-file /etc/attentive-gateway/signing-key")
    operator.applied()
    shown = operator.type("attentive-gateway quarantine list")
    expect("type_unknown" in shown and "1 of 1 waiting" in shown, shown)
    replay = block_of("$ attentive-gateway quarantine replay").splitlines()[0]
    operator.type(replay.removeprefix("$ "))
    sender.go_on(1)


def backed_up_and_restored(operator, sender):
    operator.applied()
    operator.follow("sudo -u postgres pg_dump")
    operator.follow("sudo -u postgres createdb restored")
    restored = operator.query("SELECT count(*) FROM gateway.source_event", "restored")
    expect(int(restored) > 11, f"{restored} events in the restored database")
    sender.go_on(1)


def database_stops_and_starts(operator, sender):
    operator.type("systemctl stop postgresql")
    sender.go_on()
    expect(operator.spooled() > 0, "nothing is in the spool while the database is away")
    operator.type("attentive-gateway spool verify")
    operator.type("systemctl start postgresql")
    sender.go_on()
    operator.drained()


def reload_with_a_fault(operator, sender):
    good = operator.host.path(CONFIG).read_text()
    process = operator.property("MainPID")
    operator.edit("[admin]", "[admin]\nno_such_key = 1")
    operator.type("! systemctl reload attentive-gateway")
    sender.go_on()
    operator.host.path(CONFIG).write_text(good)
    operator.type("systemctl reload attentive-gateway")
    sender.go_on()
    expect(operator.property("MainPID") == process, "a reload restarted the service")


def certificate_is_renewed(operator, sender):
    before = operator.certificate()
    operator.type("RENEWED_LINEAGE=/root/renewed; " + block_of('install -m 0600 "$RENEWED'))
    sender.go_on()
    expect(operator.certificate() != before, "the old certificate is still served")


def key_is_rotated(operator, sender):
    rotation = block_of("sudo install -m 0600 /dev/stdin")
    added = re.search(r"add (\{[^}]*\}) to", rotation)[1]
    operator.edit("signing_keys = [\n", f"signing_keys = [\n    {added},\n")
    operator.type(rotation)
    sender.go_on()
    sender.key = "the-new-key-from-Attentive"
    sender.go_on()
    counted = 'attentive_gateway_signatures_verified_total{endpoint="attentive",key_id="second"}'
    expect(operator.metric(counted) > 0, f"no {counted}")


def service_is_killed(operator, sender):
    sender.may_break = True
    restarts = int(operator.property("NRestarts"))
    for _ in range(2):
        operator.type(f"systemctl kill -s KILL {SERVICE}")
        restarts += 1
        wait_for("systemd to start it again",
                 lambda: int(operator.property("NRestarts")) >= restarts)
        sender.go_on()
    sender.may_break = False


def service_is_restarted(operator, sender):
    operator.type("systemctl restart attentive-gateway")
    sender.go_on()
    operator.type(f"systemctl stop {SERVICE} 2>&1")  # the socket starts it for the next connection
    sender.go_on()
    expect(operator.property("ActiveState") == "active", "the socket did not start the service")


def upgraded_before_its_schema(operator, sender):
    operator.type("apt-get install ./attentive-gateway_NEW_amd64.deb")
    expect("next" in operator.type("dpkg-query -W attentive-gateway"), "it is not upgraded")
    sender.go_on()
    expect(operator.spooled() > 0, "nothing is in the spool while the schema is too old")
    expect("migrate" in operator.type("curl -sS http://127.0.0.1:9464/readyz"),
           "/readyz does not say that a migration is missing")
    operator.follow("dpkg-deb --extract")
    sender.go_on()
    operator.drained()
    expect(operator.query("SELECT max(version) FROM gateway.schema_migration") == "9999",
           "the next version's migration is missing")


def rolled_back(operator, sender):
    """The next version's migration only added something."""
    operator.type("apt-get install --allow-downgrades ./build/*/attentive-gateway_*.deb")
    expect("next" not in operator.type("dpkg-query -W attentive-gateway"), "it is not rolled back")
    sender.go_on()
    operator.drained()
    operator.type("systemctl restart attentive-gateway")
    sender.go_on()
    operator.drained()


def spool_is_emptied_by_hand(operator):
    """The key of the block that sends again is the old one, which is still good."""
    stored = operator.stored()
    send = (f"attentive-gateway send --url {URL} --key-file /etc/attentive-gateway/signing-key"
            " --unique --seed 1000000")
    # Debian's postgresql.service ends before the server that it stops.
    operator.type(f"systemctl stop postgresql; while pg_isready -q; do sleep 0.1; done; {send};"
                  " attentive-gateway spool export --to DIR")
    operator.type("systemctl stop attentive-gateway.socket attentive-gateway.service;"
                  " systemctl start postgresql")
    drained = operator.type("attentive-gateway spool drain")
    expect("drained 11 events" in drained, drained)
    operator.type("systemctl start attentive-gateway.socket")
    operator.type(at_our_port(block_of("while read -r line")))
    expect(operator.stored() == stored + 11, "what was drained by hand is not stored once")


def removed_and_purged(operator):
    """What is left is what README says: the rest of the directory is that of `Set up Attentive`."""
    stored = operator.stored()
    operator.type("apt-get remove attentive-gateway")
    operator.type("! systemctl is-active attentive-gateway.socket attentive-gateway.service")
    operator.type(f"test -f {CONFIG}; test -f /etc/attentive-gateway/credentials/signing-key")
    told = operator.type("apt-get purge attentive-gateway")
    expect("/var/lib/private/attentive-gateway" in told, f"it does not say what it keeps: {told}")
    left = operator.type("find /etc/attentive-gateway ! -type d").split()
    expect(left == ["/etc/attentive-gateway/signing-key"], f"left after the purge: {left}")
    operator.type("test -d /var/lib/private/attentive-gateway/spool")
    expect(operator.stored() == stored, "the purge took events out of the database")


def make_packages(build, directory):
    """The package of this build, and of its next version: the same with another binary."""
    quiet(["cpack", "--config", build / "CPackConfig.cmake", "-G", "DEB", "-B", directory])
    package = next(directory.glob("*.deb"))
    unpacked = directory / "unpacked"
    quiet(["dpkg-deb", "--raw-extract", package, unpacked])
    control = unpacked / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+next", control.read_text(), flags=re.M))
    quiet(["strip", "-o", unpacked / "usr/bin/attentive-gateway", build / "attentive-gateway-next"])
    newer = directory / "attentive-gateway_NEW_amd64.deb"
    quiet(["dpkg-deb", "--build", unpacked, newer])
    return package, newer


def start_host(build):
    """The host, with both packages where README has them."""
    debian_host.need_namespaces()
    with tempfile.TemporaryDirectory() as directory:
        package, newer = make_packages(build, pathlib.Path(directory))
        depends = quiet(["dpkg-deb", "--field", package, "Depends"]).strip()
        host = debian_host.Host(debian_host.base_root("service", PACKAGES, depends))
        built = re.search(r"\./(\S+)/attentive-gateway_", block_of("./scripts/setup"))[1]
        host.run(f"mkdir -p {built}")
        host.path(f"/root/{built}/{package.name}").write_bytes(package.read_bytes())
        host.path(f"/root/{newer.name}").write_bytes(newer.read_bytes())
    return host


def main(build):
    host = start_host(build)
    operator, sender = Operator(host), Sender(host)
    try:
        say("set up")
        set_up(operator)
        operator.type("cp /usr/bin/attentive-gateway /usr/local/bin/sender")
        sender.start()
        sender.go_on()
        for step in (operators_commands, quarantine_keeps_what_is_no_event, backed_up_and_restored,
                     database_stops_and_starts, reload_with_a_fault, certificate_is_renewed,
                     key_is_rotated, service_is_killed, service_is_restarted,
                     upgraded_before_its_schema, rolled_back):
            say(step.__name__.replace("_", " "))
            step(operator, sender)
        sent = sender.finish(1000)
        operator.drained()
        expect(operator.stored() == 11 + sent, f"{sent} sent and {operator.stored()} stored")
        say(f"{sent} events sent, none refused, each stored once")
        for step in (spool_is_emptied_by_hand, removed_and_purged):
            say(step.__name__.replace("_", " "))
            step(operator)
    except RuntimeError as fault:
        print(host.run("journalctl --no-pager -n 80 -u 'attentive-gateway*'").text)
        say(f"FAILED: {fault}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
