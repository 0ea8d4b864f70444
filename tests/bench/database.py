"""The PostgreSQL server that all contestants write to, one after another, each into a database of
its own: the gateway's private cluster as it starts it, on the disk."""
import os
import shutil
import subprocess
import tempfile


class Session:
    """One psql that stays, so that a question costs no start of a process."""

    def __init__(self, environment):
        self.psql = subprocess.Popen(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1"], env=environment,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("SET client_min_messages = warning")

    def ask(self, sql):
        self.psql.stdin.write(sql + ";\n\\echo done\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == "done\n":
                return "".join(lines).strip()
            lines.append(line)
        raise RuntimeError(f"psql failed: {sql}")

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


class Cluster:
    def __init__(self, program, directory=None):
        # Where another user may go: as root the server runs as user postgres.
        self.directory = tempfile.mkdtemp(prefix="gateway-bench-", dir=directory or "/var/tmp")
        os.chmod(self.directory, 0o755)
        self.process = subprocess.Popen([program, self.directory + "/postgres"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started = self.process.stdout.readline().split()
        if len(started) != 2:
            raise RuntimeError("PostgreSQL did not start")
        self.socket, self.pid = started[0], int(started[1])
        self.admin = Session(self.environment("gateway"))

    def environment(self, name):
        """libpq's variables, which pgx and pg read as well."""
        return dict(os.environ, PGHOST=self.socket, PGUSER="postgres", PGDATABASE=name,
                    PGPORT="5432")

    def url(self, name):
        return f"postgresql://postgres@/{name}?host={self.socket}"

    def new_database(self, schema):
        """An empty database "run", and a session in it. The one before goes, and what it left
        to write is written, so that nobody pays for another's events."""
        self.admin.ask("DROP DATABASE IF EXISTS run WITH (FORCE)")
        self.admin.ask("CREATE DATABASE run")
        session = Session(self.environment("run"))
        if schema:
            session.ask(schema)
        session.ask("CHECKPOINT")
        return session

    def wal_bytes(self):
        return int(self.admin.ask("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))

    def version(self):
        return self.admin.ask("SHOW server_version")

    def close(self):
        self.admin.close()
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
