"""Container: the files of Linux' control groups in; memory that the group of this process may still take, out.

Inside a container the machine may have far more than the process may take, and what goes beyond is killed, not refused. Both
layouts are read: v2 (https://docs.kernel.org/admin-guide/cgroup-v2.html) and v1. Pages of files that nobody reads any more count
as free.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OWN, MOUNTED = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a version keeps its groups, and what it calls limit, usage and unread pages of files."""

    root: str
    limit: str
    usage: str
    unread: str


V1 = Layout("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = Layout("", "memory.max", "memory.current", "inactive_file")


def container_room(own: Path = OWN, mounted: Path = MOUNTED) -> int | None:
    """Bytes; None where nothing limits it, or there are no control groups."""
    if not own.exists():
        return None
    rooms = [room for line in own.read_text(encoding="utf-8").splitlines() for room in rooms_of(line, mounted)]
    return max(0, min(rooms)) if rooms else None


def rooms_of(line: str, mounted: Path) -> Iterator[int]:
    """Of a line `hierarchy:controllers:/path`: what is left in that group and in those around it."""
    _, controllers, path = line.split(":", 2)
    if controllers not in {"", "memory"}:
        return
    layout = V1 if controllers else V2
    top = mounted / layout.root
    group = top / path.lstrip("/")
    for folder in (group, *group.parents):  # where a container sees its own group as the top, the path is not there
        if folder.is_relative_to(top) and (folder / layout.limit).is_file():
            room = room_of(folder, layout)
            if room is not None:
                yield room


def room_of(folder: Path, layout: Layout) -> int | None:
    limit = (folder / layout.limit).read_text(encoding="ascii").strip()
    if limit == "max":
        return None
    held = int((folder / layout.usage).read_text(encoding="ascii"))
    numbers = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    return int(limit) - held + int(numbers.get(layout.unread, 0))
