"""What writing leaves behind, whatever happens: the old file or the new one, and a clear line."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import exactcam
from exactcam import ExactcamError, Network, Partition, Slice, Window
from exactcam.analysis.tables import region_table, write_csv
from exactcam.cli import main
from exactcam.engine.refine import Engine
from exactcam.engine.run_file import write_run
from exactcam.files.writing import locked, write_bytes, writing
from exactcam.grading import EngineOutput
from exactcam.grading.adapters import polygons
from exactcam.model.slice_file import write_slice
from exactcam.runtime.processes import FORKS

pytestmark = [
    pytest.mark.xdist_group("processes"),
    pytest.mark.skipif(not FORKS, reason="processes cannot be forked here"),
]
OLD = b"precious\n"
Writer = Callable[[Partition, Path], None]


@pytest.fixture(scope="module")
def part(random_network: Callable[..., Network]) -> Partition:
    found = exactcam.partition(random_network([2, 16, 16, 2], 0))
    found.prefetch()
    assert found.decision_boundary() is not None
    return found


def neutral(part: Partition, path: Path) -> None:
    points = part.float_vertices[part.corners]
    polygons.write(EngineOutput(points, part.offsets), path)


def figure(part: Partition, path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    exactcam.draw(part, path)


WRITERS: dict[str, Writer] = {
    "r.jsonl": lambda part, path: part.save(path),
    "r.jsonl.gz": lambda part, path: part.save(path),
    "c.cert": lambda part, path: part.certify(path),
    "c.cert.gz": lambda part, path: part.certify(path),
    "n.json": lambda part, path: exactcam.write_network(part.network, path),
    "s.json": lambda part, path: write_slice(part.slice, part.window, path),
    "p.svg": lambda part, path: exactcam.draw(part, path),
    "p.html": lambda part, path: exactcam.draw(part, path),
    "p.png": figure,
    "p.pdf": figure,
    "t.csv": lambda part, path: write_csv(region_table(part), path),
    "o.npz": neutral,
}
QUICK = [name for name in WRITERS if name not in ("p.png", "p.pdf")]


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "interrupt"])
def test_a_writer_that_fails_keeps_the_old_file(
    part: Partition, tmp_path: Path, name: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_bytes(OLD)

    def refuse(*_: object) -> None:
        if call == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "write":  # a full disk, as far as a process may make one
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    else:
        monkeypatch.setattr(os, "replace" if call == "replace" else "fsync", refuse)
    try:
        with pytest.raises((OSError, KeyboardInterrupt)) as error:
            WRITERS[name](part, path)
    finally:
        if call == "write":
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    if call != "interrupt":
        assert isinstance(error.value, OSError)
        assert str(error.value.filename) == str(path)
    assert path.read_bytes() == OLD
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "words",
    [
        "partition MODEL -o OUT",
        "partition MODEL -o OUT.gz",
        "render MODEL -o OUT.svg",
        "render MODEL -o OUT.html",
        "view MODEL --no-open -o OUT.html",
        "certify MODEL -o OUT",
        "certify MODEL -o OUT.gz",
        "certify MODEL -o OTHER --network-out OUT",
        "certify MODEL -o OTHER --slice-out OUT",
        "stats MODEL -o OUT",
        "stats MODEL --regions OUT",
        "sample MODEL -o OUT",
        "line MODEL --start=-1,-1 --end=1,1 -o OUT",
        "compare polygons ENGINE --model MODEL --report OUT.json",
        "compare polygons ENGINE --model MODEL --report OUT.html",
    ],
)
def test_a_command_on_a_full_disk_keeps_the_old_file(
    part: Partition,
    tmp_path: Path,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, engine = tmp_path / "model.json", tmp_path / "engine.npz"
    exactcam.write_network(part.network, model)
    neutral(part, engine)
    given = words.replace("MODEL", str(model)).replace("ENGINE", str(engine))
    given = given.replace("OUT", str(tmp_path / "out")).replace("OTHER", str(tmp_path / "other"))
    path = next(Path(w) for w in given.split() if w.startswith(str(tmp_path / "out")))
    path.write_bytes(OLD)
    fsync = os.fsync

    def full(handle: int) -> None:
        if "out" in os.readlink(f"/proc/self/fd/{handle}").rpartition("/")[2]:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    assert main(given.split()) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == f"exactcam: error: {path}: No space left on device"
    assert path.read_bytes() == OLD
    assert not list(tmp_path.glob(".*"))


def end_a_child(work: Callable[[], object], seconds: float, how: int) -> None:
    """Run something in a child and send it a signal after a while."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # until it is answered in the child
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            work()
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    time.sleep(seconds)
    os.kill(child, how)
    os.waitpid(child, 0)


def trial(part: Partition, folder: Path, seed: int) -> None:
    """End a writer at a random moment: the old file or the new one is there."""
    draw = random.Random(seed)
    name, how = draw.choice(QUICK), draw.choice([signal.SIGKILL, signal.SIGINT])
    path, whole = folder / name, folder / f"whole-{name}"
    if not whole.exists():
        WRITERS[name](part, whole)
    start = time.perf_counter()
    WRITERS[name](part, path)
    took = time.perf_counter() - start
    path.write_bytes(OLD)
    end_a_child(lambda: WRITERS[name](part, path), draw.uniform(0, 1.5 * took), how)
    found = path.read_bytes()
    if name == "o.npz" and found != OLD:  # holds the time
        polygons.read(path)
    else:
        assert found in (OLD, whole.read_bytes()), (seed, name, how, len(found))
    assert how == signal.SIGKILL or not list(folder.glob(".*"))
    WRITERS[name](part, path)
    assert not list(folder.glob(".*")), "the next writer removes what a killed one left"


def run_trial(engine: Engine, whole: bytes, path: Path, seed: int) -> None:
    """End a run at a random moment: what there is of it is continued to the same bytes."""
    draw = random.Random(seed)
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    write_run(engine, path)
    took = time.perf_counter() - start
    path.unlink()
    for _ in range(2):
        how = draw.choice([signal.SIGKILL, signal.SIGINT])
        end_a_child(lambda: write_run(engine, path), draw.uniform(0, took), how)
        found = path.read_bytes() if path.exists() else b""
        assert whole.startswith(found), seed
    write_run(engine, path)
    assert path.read_bytes() == whole, seed


def test_killed_and_interrupted_writers(part: Partition, tmp_path: Path) -> None:
    for seed in range(8):
        trial(part, tmp_path, seed)


@pytest.mark.slow
def test_many_killed_and_interrupted_writers(part: Partition, tmp_path: Path) -> None:
    for seed in range(8, 600):
        trial(part, tmp_path, seed)


def test_only_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    path, victim = tmp_path / "x.json", tmp_path / "victim"
    victim.write_bytes(OLD)

    def killed() -> None:
        with writing(path) as stream:
            stream.write(OLD)
            os.kill(os.getpid(), signal.SIGKILL)

    end_a_child(killed, 0.5, signal.SIGKILL)
    (left,) = tmp_path.glob(".*")
    link, pipe = left.with_name(f"{left.name}1"), left.with_name(f"{left.name}2")
    link.symlink_to(victim)
    os.mkfifo(pipe)
    with writing(path) as slow:
        slow.write(b"slow\n")
        assert not left.exists()
        write_bytes(path, b"quick\n")  # another writer meanwhile
        assert path.read_bytes() == b"quick\n"
        assert len(list(tmp_path.glob(".*"))) == 3
    assert path.read_bytes() == b"slow\n"
    assert sorted(tmp_path.glob(".*")) == [link, pipe]
    assert victim.read_bytes() == OLD


@pytest.mark.parametrize("name", ["☃" * 80, "x" * 255])
def test_a_long_name_can_be_written(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, OLD)
    assert (tmp_path / name).read_bytes() == OLD


def test_a_file_system_without_locks(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    write_bytes(tmp_path / "x.json", OLD)
    assert (tmp_path / "x.json").read_bytes() == OLD
    with pytest.raises(ExactcamError, match=r"x\.run: its file system cannot lock files"):
        write_run(engine, tmp_path / "x.run")


@pytest.fixture(scope="module")
def engine(random_network: Callable[..., Network]) -> Engine:
    return Engine(random_network([2, 24, 24, 1], 3), Slice.plane(2), Window.rectangle(-1, -1, 1, 1))


@pytest.fixture(scope="module")
def whole(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "x.run"
    write_run(engine, path)
    return path.read_bytes()


def test_killed_and_interrupted_runs(engine: Engine, whole: bytes, tmp_path: Path) -> None:
    for seed in range(3):
        run_trial(engine, whole, tmp_path / "x.run", seed)


@pytest.mark.slow
def test_many_killed_and_interrupted_runs(engine: Engine, whole: bytes, tmp_path: Path) -> None:
    for seed in range(3, 150):
        run_trial(engine, whole, tmp_path / "x.run", seed)


@pytest.mark.parametrize("size", [1, 200, 5000])
def test_a_run_on_a_full_disk_goes_on_later(
    engine: Engine, whole: bytes, tmp_path: Path, size: int
) -> None:
    path, before = tmp_path / "x.run", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(OSError, match=r"x\.run"):
            write_run(engine, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write_run(engine, path)
    assert path.read_bytes() == whole


def test_a_second_writer_is_refused(engine: Engine, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    path.write_bytes(whole[: len(whole) // 2])
    with (
        path.open("rb") as stream,
        locked(path, stream),
        pytest.raises(ExactcamError, match=r"x\.run: is being written by another process"),
    ):
        write_run(engine, path)
    assert path.read_bytes() == whole[: len(whole) // 2]

    heard = []

    def second(_: int) -> None:
        if not heard:
            heard.append(1)
            with pytest.raises(ExactcamError, match="is being written"):
                write_run(engine, path)

    write_run(engine, path, progress=second)
    assert heard
    assert path.read_bytes() == whole


@pytest.mark.parametrize("what", ["file", "folder", "replaced"])
def test_a_run_that_is_deleted_meanwhile_is_no_success(
    engine: Engine, tmp_path: Path, what: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "x.run"

    def delete(_: int) -> None:
        if what == "folder":
            shutil.rmtree(folder, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if what == "replaced":
            path.write_bytes(OLD)

    with pytest.raises(ExactcamError, match=r"x\.run: was deleted or replaced"):
        write_run(engine, path, progress=delete)


FOREIGN = [
    b"my notes, no newline at the end",
    b"\x89PNG\x00\x01 binary",
    b'{"a":1}',
    b"notes\nwith a newline",
    b"[1]\n",
    b"{}\n",
    b"\xff\xfe\n",
    b"\n",
]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_never_overwritten(
    engine: Engine, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "x.run"
    path.write_bytes(content)
    with pytest.raises(ExactcamError, match=r"x\.run"):
        write_run(engine, path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.99])
def test_a_run_cut_anywhere_goes_on(
    engine: Engine, whole: bytes, tmp_path: Path, share: float
) -> None:
    path = tmp_path / "x.run"
    path.write_bytes(whole[: int(share * len(whole))])
    write_run(engine, path)
    assert path.read_bytes() == whole


def test_a_finished_run_may_be_read_only(engine: Engine, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    path.write_bytes(whole)
    path.chmod(0o444)
    write_run(engine, path)
    assert path.read_bytes() == whole


def test_a_pipe_is_no_run(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    os.mkfifo(path)
    with pytest.raises(ExactcamError, match="not a regular file"):
        write_run(engine, path)
