"""README.md's blocks, so that what it says to type is what is typed."""
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def blocks():
    found, inside, indentation = [], False, 0
    for line in (SOURCE / "README.md").read_text().splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
            if inside:
                indentation = len(line) - len(line.lstrip())
                found.append("")
        elif inside:
            found[-1] += line[indentation:] + "\n"
    return found


def block_of(beginning):
    """The only block that begins so."""
    found = [block for block in blocks() if block.startswith(beginning)]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} blocks of README.md begin with {beginning!r}")
    return found[0]
