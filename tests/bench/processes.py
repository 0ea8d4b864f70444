"""What the kernel says about processes and the machine: CPU time and memory of trees of processes,
and how much others took meanwhile."""
import os

TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat behind the name; None when it ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def tree(root):
    """The process and all below it, as {pid: fields of stat}."""
    all_of_them = {int(name): _stat(name) for name in os.listdir("/proc") if name.isdigit()}
    children = {}
    for pid, fields in all_of_them.items():
        if fields:
            children.setdefault(int(fields[1]), []).append(pid)
    found, todo = {}, [root]
    while todo:
        pid = todo.pop()
        if all_of_them.get(pid):
            found[pid] = all_of_them[pid]
            todo += children.get(pid, [])
    return found


def cpu_us(root):
    """User and system time of the tree so far, of children that ended too."""
    return sum(sum(map(int, fields[11:15])) for fields in tree(root).values()) * TICK_US


def memory_bytes(root, what):
    """VmRSS or VmHWM of the tree; pages that its processes share count for each."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(what + ":"))
        except OSError:
            pass  # it ended meanwhile
    return total * 1024


def machine_busy_us():
    """CPU time that was not idle, of all cores since the start, what the host took included."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * TICK_US


def machine():
    """What to write beside figures."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return {"processor": models[0] if models else "unknown", "cores": os.cpu_count(),
            "kernel": os.uname().release, "load_average": os.getloadavg()}
