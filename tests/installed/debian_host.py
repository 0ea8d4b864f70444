"""A Debian 12 host inside this one: a root of its own, and where wanted systemd as its first process.

The root is made once by debootstrap and kept in ~/.cache/attentive-gateway (GATEWAY_ROOTS names another
place). A host lays memory over it and has namespaces of its own: whatever happens in it, and however
the test ends, nothing of it stays. What a machine does not permit ends the test as skipped."""
import atexit
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

SKIPPED = 77  # SKIP_RETURN_CODE in CMakeLists.txt
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
               "DEBIAN_FRONTEND=noninteractive"]
CACHE = pathlib.Path(os.environ.get("GATEWAY_ROOTS") or
                     pathlib.Path.home() / ".cache" / "attentive-gateway")
CGROUP = f"gateway-installed-{os.getpid()}"
MOUNT_POINT = "/media"  # is everywhere; nobody but us sees what we mount there

# Mounts what a root needs, in a mount namespace that the caller made: $1 the root below, $2 the
# mount point.
FURNISH = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/root" 2>/dev/null ||
    cp -a "$1/." "$2/root"
root=$2/root
mount --bind "$root" "$root" # pivot_root wants a mount point, also of a copy
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
"""

# The first process of the new namespaces. Without the shared mount LoadCredential= would give an
# empty directory.
BOOT = FURNISH + r"""
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
mount --make-rshared /
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --show-status=0 --log-target=journal
"""

# Before that: a control group of our own, which becomes the root of systemd's.
ENTER = r"""
set -e
mount -t cgroup2 cgroup2 "$2"
mkdir "$2/$3"
echo $$ > "$2/$3/cgroup.procs"
umount "$2"
exec unshare --uts --ipc --net --cgroup --pid --fork --kill-child bash -c "$4" boot "$1" "$2"
"""

# Control groups outlive their processes: ours, and those of a test that was killed.
SWEEP = r"""
mount -t cgroup2 cgroup2 "$2"
for group in "$2"/gateway-installed-*; do
    [ -d "/proc/${group##*-}" ] && [ "${group##*-}" != "$1" ] ||
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
done
"""


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIPPED)


def say(what):
    print(time.strftime("%H:%M:%S "), what, flush=True)


def apart(*words):
    """Words that run in a mount namespace of their own, and end when this thread does."""
    return ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private",
            *words]


def quiet(command, **options):
    """Its output, or RuntimeError with the end of it."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{str(command[-1])[-300:]}: exit {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def need_namespaces():
    if os.geteuid() != 0:
        skip("needs root")
    for tool in ("debootstrap", "unshare", "setpriv", "nsenter"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed (./scripts/setup --test)")
    try:
        quiet(apart("--pid", "--net", "--fork", "bash", "-c",
                    'mount -t cgroup2 cgroup2 "$1" && mkdir "$1/$0" && rmdir "$1/$0"', CGROUP,
                    MOUNT_POINT))
    except RuntimeError as refused:
        skip(f"this machine permits no namespaces with a control group: {refused}")


def archives():
    """Lines of sources.list: the Debian archives that this machine has its packages from."""
    known = quiet(["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) main",
                   "Created-By: Packages", "Origin: Debian", "Component: main"]).splitlines()
    lines = sorted({line for line in known if " bookworm" in line})
    return lines or ["deb http://deb.debian.org/debian bookworm main"]


def in_root(root, command, **options):
    """Runs a shell command in a root on the disk, with this machine's network."""
    inside = 'mount -t proc proc "$0/proc"; mount --bind /dev "$0/dev"; exec chroot "$0" "${@:1}"'
    return quiet(apart("--pid", "--fork", "--kill-child", "bash", "-c", inside, str(root),
                       *ENVIRONMENT, "bash", "-ec", command), **options)


def fill(root, packages, download):
    mirror = archives()
    main = next(line for line in mirror if line.endswith(" bookworm main"))
    archives_kept = CACHE / "archives"
    archives_kept.mkdir(exist_ok=True)
    quiet(["debootstrap", "--variant=minbase", "--include=ca-certificates",
           f"--cache-dir={archives_kept}", "bookworm", str(root),
           main.split()[1]], env={**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
    (root / "etc/apt/sources.list").write_text("\n".join(mirror) + "\n")
    ways = [line for line in quiet(["apt-config", "dump"]).splitlines()
            if line.startswith(("Acquire::http::", "Acquire::https::"))]
    (root / "etc/apt/apt.conf.d/99test").write_text(
        "\n".join(ways) + '\nAPT::Install-Recommends "false";\nAPT::Get::Assume-Yes "true";\n'
        'DPkg::Options { "--force-unsafe-io"; };\n')
    (root / "etc/hostname").write_text("gateway-host\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost gateway-host events.example.com\n")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    nothing_starts = root / "usr/sbin/policy-rc.d"
    nothing_starts.write_text("#!/bin/sh\nexit 101\n")
    nothing_starts.chmod(0o755)
    in_root(root, f"apt-get update; apt-get install {packages}; apt-get clean")
    if download:
        in_root(root, f"apt-get satisfy --download-only '{download}'")
    nothing_starts.unlink()


def base_root(name, packages, download=""):
    """A root with these packages, and with the archives of what is to be installed later on."""
    CACHE.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(repr((packages, download)).encode()).hexdigest()[:8]
    root = CACHE / f"{name}-{key}"
    with open(CACHE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        say(f"making {root} (once)")
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        new = CACHE / f"{name}-new"
        try:
            fill(new, packages, download)
        except RuntimeError as refused:
            shutil.rmtree(new, ignore_errors=True)
            skip(f"no Debian root can be made here: {refused}")
        new.rename(root)
        return root


def wait_for(what, condition, seconds=120):
    """What the condition returns as soon as it is true; RuntimeError when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise RuntimeError(f"waited {seconds} s in vain for {what}")


class Done:
    def __init__(self, code, output, errors):
        self.code, self.output, self.errors = code, output, errors
        self.text = output + errors


class Host:
    """A booted root. Its first process ends with the test, and everything in it with that."""

    def __init__(self, root):
        self.init = None
        self.outer = subprocess.Popen(
            apart("bash", "-c", ENTER, "enter", str(root), MOUNT_POINT, CGROUP, BOOT),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True)
        atexit.register(self.stop)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda got, frame: sys.exit(128 + got))
        wait_for("systemd to start", lambda: self.find_init() or self.gave_up(), 120)
        wait_for("systemd to be up", lambda: self.is_up() or self.gave_up(), 180)

    def find_init(self):
        with contextlib.suppress(OSError):
            children = pathlib.Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children")
            for child in children.read_text().split():
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self.init = child
        return self.init

    def is_up(self):
        return self.run("systemctl is-system-running").output.strip() in ("running", "degraded")

    def gave_up(self):
        if self.outer.poll() is not None:
            skip(f"systemd does not run here: {self.outer.stdout.read()[-2000:]}")

    def run(self, command, seconds=300):
        """Types a command into a shell of root's."""
        words = ["nsenter", "-t", self.init, "-m", "-u", "-i", "-n", "-p", "-C", *ENVIRONMENT,
                 "bash", "-c", "cd; " + command]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=seconds, check=False, start_new_session=True)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{command}: not done after {seconds} s") from None
        return Done(done.returncode, done.stdout, done.stderr)

    def path(self, path):
        """A path of the host, as this machine reaches it."""
        return pathlib.Path(f"/proc/{self.init}/root{path}")

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.init or self.outer.pid), signal.SIGKILL)
        self.outer.wait(60)
        subprocess.run(apart("bash", "-c", SWEEP, "sweep", str(os.getpid()), MOUNT_POINT),
                       check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
