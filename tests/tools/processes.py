"""The running processes of this machine, from Linux's /proc."""

from __future__ import annotations

from pathlib import Path

STATE, PARENT, GROUP = range(3)  # fields of /proc/PID/stat behind the name


def _stat(pid: int | str) -> list[str]:
    """The fields of a process behind its name; none if it is gone, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[STATE] == "Z" else fields


def running(field: int, value: int) -> list[int]:
    """The running processes with this PARENT or of this GROUP."""
    numbers = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    stats = {int(number): _stat(number) for number in numbers}
    return [pid for pid, fields in stats.items() if fields and int(fields[field]) == value]


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    return not _stat(pid)
