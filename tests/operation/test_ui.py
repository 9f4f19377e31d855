"""`make ui` and `make down`: started once, found again, stopped exactly."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from operated import Operated, alive
from support import free_port
from waiting import PATIENCE

from operation.background import Background


def test_a_second_make_ui_changes_nothing(operated: Operated) -> None:
    def all_there_is() -> object:
        pool = operated.post("/work_pools/garbage/workers/filter", {})
        deployments = [operated.deployment(name) for name in ("garbage-finetune", "nightly")]
        kept = [(each["id"], each["updated"]) for each in deployments]
        return operated.server, operated.worker, operated.watchman, [each["id"] for each in pool], kept

    before = all_there_is()
    output = operated.up()
    assert all_there_is() == before
    assert f"export PREFECT_API_URL={operated.address}" in output
    assert f"artifacts    http://127.0.0.1:{operated.port}/artifacts\n" in output
    assert "deployment run garbage-finetune/garbage-finetune -p dataset=data_en --watch" in output


def test_nothing_listens_on_other_than_loopback(operated: Operated) -> None:
    family = [each for parent in (operated.server, operated.worker) for each in (parent, *parent.children(recursive=True))]
    heard = {
        (connection.laddr.ip, connection.laddr.port)
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert ("127.0.0.1", operated.port) in heard
    assert {ip for ip, _ in heard} <= {"127.0.0.1", "::1"}


def test_a_port_that_is_taken_is_said_in_one_sentence_and_nothing_is_left(operated: Operated, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ended = operated.command("operation.ui", "up", "--port", port, PREFECT_HOME=str(tmp_path / "home"))
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error Port {port} on 127.0.0.1 cannot be used (Address already in use)")
    assert len(ended.stderr.splitlines()) == 1
    assert not list((tmp_path / "home").glob("*.json"))


def test_a_running_server_is_not_moved_to_another_port(operated: Operated) -> None:
    ended = operated.command("operation.ui", "up", "--port", "1")
    assert ended.returncode == 1
    assert f"The server runs at {operated.address}" in ended.stderr


def test_a_server_open_to_others_wants_a_password(operated: Operated, tmp_path: Path) -> None:
    ended = operated.command("operation.ui", "up", PREFECT_HOME=str(tmp_path / "home"), GARBAGE_HOST="0.0.0.0")
    assert ended.returncode == 1
    assert "PREFECT_SERVER_API_AUTH_STRING" in ended.stderr


def test_the_home_is_closed_to_other_users_and_results_stay_open_to_them(
    operated: Operated, pictures: Path, tmp_path: Path
) -> None:
    operated.home.chmod(0o755)
    (operated.home / "prefect.db").chmod(0o644)
    operated.up()
    assert operated.ends(operated.ask(pictures))["state_name"] == "Completed"
    files = {path.name: mode(path) for path in operated.home.iterdir() if path.is_file()}
    assert files.keys() >= {"prefect.db", "prefect.db-wal", "prefect.db-shm", "server.log", "worker.log", "operation.json"}
    assert {name: bits for name, bits in files.items() if bits & 0o077} == {}
    assert mode(operated.home) == 0o700

    (ordinary := tmp_path / "ordinary").mkdir()
    for report in (operated.artifacts / "stages" / "report").glob("*/report.html"):
        assert (mode(report), mode(report.parent)) == (0o444, mode(ordinary))
    assert report.is_file()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_stale_record_never_stops_another_process(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        background = Background("server", tmp_path)
        background.record.write_text(json.dumps({"pid": bystander.pid, "created": 1.0}))
        assert background.find() is None
        assert not background.stop()
        assert bystander.poll() is None
        assert not background.record.exists()
    finally:
        bystander.communicate(b"\n", timeout=PATIENCE)


@pytest.mark.acceptance
def test_a_server_that_died_comes_back_where_it_was_and_the_run_goes_on(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.023, train__epochs=1_000, train__patience=9_000)
    operated.trains(run)
    worker = operated.worker
    operated.server.kill()
    ended = operated.command("operation.ui", "up")
    assert ended.returncode == 0, ended.stderr
    assert operated.worker == worker
    assert operated.ends(run)["state_name"] == "Completed"
    assert operated.ends(operated.ask(pictures))["state_name"] == "Completed"
    assert set(operated.slots()) == {0}


@pytest.mark.acceptance
def test_make_down_stops_a_server_that_does_not_answer(operated: Operated) -> None:
    server, worker, watchman = operated.server, operated.worker, operated.watchman
    (operated.home / "address.json").write_text(json.dumps({"api": f"http://127.0.0.1:{free_port()}/api"}))
    assert "the server did not answer" in operated.down()
    assert not any(map(alive, (server, worker, watchman)))
    operated.up()


def test_make_down_cancels_the_run_in_progress_and_make_ui_takes_up_what_waits(operated: Operated, pictures: Path) -> None:
    run = operated.ask(pictures, train__lr_max=0.022, train__epochs=9_000, train__patience=9_000)
    process = operated.trains(run)
    waiting = operated.ask(pictures)
    server, worker, watchman = operated.server, operated.worker, operated.watchman

    output = operated.down()
    assert "cancelled" in output
    assert not any(map(alive, (server, worker, watchman, process)))
    assert operated.down() == "nothing was running\n"

    operated.up()
    assert operated.run(run)["state_name"] == "Cancelled"
    assert operated.ends(waiting)["state_name"] == "Completed"
