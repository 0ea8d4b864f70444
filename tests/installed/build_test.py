#!/usr/bin/env python3
"""README's way from the source to the package, in a Debian root with nothing but git, bash and
certificates: the packages that setup installs have to be all that the build asks for.

    build_test.py

A whole build takes as long again as the suite's own, so it is done with GATEWAY_NIGHTLY=1 only.
Otherwise setup runs as it is written, the preset is configured, and one library is built; what is
packed is the suite's own build, which service_test.py installs."""
import os
import re
import sys

import debian_host
from debian_host import say
from readme import SOURCE, block_of

# In a mount namespace: $3 the source, $4 where archives of packages are kept, $5 the command. The
# path is the same inside, and neither .git nor build is there.
BUILD = debian_host.FURNISH + r"""
mount -t proc proc "$root/proc"
mkdir -p "$root$3" "$4"
tar --directory "$3" --exclude=./build --exclude=./.git --create . | tar --directory "$root$3" --extract
mount --bind "$4" "$root/var/cache/apt/archives"
exec chroot "$root" """ + " ".join(debian_host.ENVIRONMENT) + r""" \
    bash -euo pipefail -c 'cd "$1"; sudo() { "$@"; }; eval "$2"' build "$3" "$5"
"""


def main():
    debian_host.need_namespaces()
    root = debian_host.base_root("build", "git ca-certificates")
    try:
        debian_host.in_root(root, "apt-get update")
    except RuntimeError as fault:
        debian_host.skip(f"Debian's archive is out of reach: {fault}")
    command = block_of("./scripts/setup")
    if os.environ.get("GATEWAY_NIGHTLY") != "1":
        preset = re.search(r"--preset (\S+)", command)[1]
        command = (f"{command.splitlines()[0]}\ncmake --preset {preset}\n"
                   f"cmake --build build/{preset} --target gateway_base\n")
        say("NOT RUN without GATEWAY_NIGHTLY=1: the whole build, cpack, and installing that package")
    say(f"in a bare root:\n{command}")
    try:
        debian_host.quiet(debian_host.apart(
            "--pid", "--fork", "--kill-child", "bash", "-c", BUILD, "build", str(root),
            debian_host.MOUNT_POINT, str(SOURCE), str(debian_host.CACHE / "archives"), command))
    except RuntimeError as fault:
        say(f"FAILED: {fault}")
        return 1
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
