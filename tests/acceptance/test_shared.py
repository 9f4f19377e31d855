"""A remote store that goes away while a run computes, and comes back."""

from __future__ import annotations

from remote_store import URL, Server
from support import CommandLine, command_line
from waiting import PATIENCE, eventually

from pipeline_lib.stages.sharing import FETCHED


def test_a_run_whose_store_goes_away_ends_well_and_what_it_has_computed_is_published_later(
    garbage: CommandLine, s3: Server, tmp_path, prefect_api: str
) -> None:
    garbage.environment |= s3.environment
    process = garbage.start("run", "--json", "--dataset", "sample")
    eventually(lambda: s3.names("stages"), bool)
    s3.stop()
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    said = " ".join(err.split())
    assert said.count("The remote store cannot be reached, and the run goes on without it") == 1
    assert f"{URL} could not be reached: " in said
    assert "are still to be published there, by the next run or by 'garbage push'" in out
    s3.start()
    again = garbage.run("sample")
    assert set(again.statuses.values()) == {"reused"}
    assert "remote" not in again.json
    machine = command_line(tmp_path / "elsewhere", prefect_api)
    machine.environment |= {**s3.environment, "GARBAGE_REMOTE_MODE": "read"}
    fetched = machine.run("sample")
    assert {row["reason"] for row in fetched.json["stages"]} == {FETCHED}
    assert fetched.json["metrics"] == again.json["metrics"]
