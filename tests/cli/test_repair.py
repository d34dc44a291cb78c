"""`runlog verify`, `recover` and `du`: what is wrong is said, what can be kept is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.laws import kit

from .conftest import Call, Job, flip, journal_of

Train = Callable[..., Path]


def test_a_sound_run_is_ok(train: Train, call: Call) -> None:
    train(id="abcd1234")
    result = call("verify", "abcd1234")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("ok  ")
    (report,) = call("verify", "abcd1234", "--json").json()
    assert report["ok"] is True
    assert report["problems"] == []
    assert report["checked"]["records"] > 300


def test_one_damaged_run_of_two_is_named(train: Train, damaged: Path, call: Call) -> None:
    train(id="abcd1234")
    result = call("verify", "abcd1234", damaged)
    assert result.code == 3
    first, second, *_ = result.out.splitlines()
    assert first.startswith("ok  ")
    assert second.startswith("DAMAGED  ")
    assert "damaged1" in second
    reports = call("verify", "abcd1234", damaged, "--json").json()
    assert [report["ok"] for report in reports] == [True, False]
    assert reports[1]["problems"][0]["reason"] == "checksum"


def test_a_cut_run_is_damage(train: Train, call: Call) -> None:
    folder = train(id="abcd1234")
    journal = journal_of(folder)
    data = journal.read_bytes()
    journal.write_bytes(data[: len(data) // 2])
    assert call("verify", "abcd1234").code == 3


def test_a_killed_run_becomes_one_clean_file(crashed: Path, call: Call) -> None:
    before = call("cat", crashed, "--type", "log", "--json").lines()
    result = call("recover", crashed)
    assert (result.code, result.out[:9]) == (0, "recovered")
    assert [p.suffix for p in crashed.glob("*.r*")] == [".rlog"]
    assert call("verify", crashed).code == 0
    assert call("cat", crashed, "--type", "log", "--json").lines() == before


def test_recovering_a_damaged_run_says_what_it_cost(damaged: Path, call: Call) -> None:
    original = journal_of(damaged).read_bytes()
    result = call("recover", damaged, "--json")
    assert result.code == 3
    (report,) = result.json()
    assert report["changed"] is True
    assert report["lost"]
    assert all(Path(kept).exists() for kept in report["kept"])
    assert report["kept"]
    kept = [p.read_bytes() for p in damaged.rglob("*") if p.is_file()]
    assert original in kept
    assert call("verify", damaged).code == 0
    assert "Lost  as the journal itself states" in call("inspect", damaged).out


def test_what_only_the_footer_knows_of_a_lost_record_is_told(train: Train, call: Call) -> None:
    path = journal_of(train(id="abcd1234"))
    page = kit.page(path, "records 1")  # the start of the run
    assert page.copy is not None
    flip(path, page.start)
    flip(path, page.copy)
    before = call("inspect", "abcd1234", "--json").json()
    result = call("recover", "abcd1234")
    assert result.code == 0
    assert "still known from the footer or statistics: run" in result.out
    after = call("inspect", "abcd1234", "--json").json()
    assert "Salvaged  known from a footer" in call("inspect", "abcd1234").out
    assert [record["put_back"] for record in after["salvaged"]] == [[1]]
    names = ("id", "project", "name", "config", "summary", "status")
    assert [after[name] for name in names] == [before[name] for name in names]


def test_recovering_a_sound_run_changes_nothing(train: Train, call: Call) -> None:
    folder = train(id="abcd1234")
    before = journal_of(folder).read_bytes()
    result = call("recover", "abcd1234")
    assert result.code == 0
    assert "clean already" in result.out
    assert journal_of(folder).read_bytes() == before


def test_a_running_job_is_not_recovered_under_its_feet(
    job: Callable[..., Job], damaged: Path, call: Call
) -> None:
    live = job("live0001")
    result = call("recover", damaged, "live0001")
    assert result.code == 1
    assert "live0001" in result.err
    assert result.out.startswith("recovered"), "what was done before is told all the same"
    live.go_on("more")
    live.go_on("done")
    assert call("verify", "live0001").code == 0


def test_the_bytes_of_a_run_add_up(train: Train, call: Call) -> None:
    folder = train(id="abcd1234")
    usage = call("du", "abcd1234", "--json").json()
    assert usage["by_file"][journal_of(folder).name] == journal_of(folder).stat().st_size
    assert usage["total"] == sum(usage["by_file"].values())
    assert "train.loss" in usage["by_metric"]
    assert "log" in usage["by_type"]
    out = call("du", "abcd1234").out
    assert "train.loss" in out
    assert "By record type" in out


def test_a_flip_in_the_header_leaves_the_rest_readable(train: Train, call: Call) -> None:
    folder = train(id="abcd1234")
    flip(journal_of(folder), 3)
    result = call("inspect", folder, "--json")
    assert result.code == 3
    assert result.json()["status"]["steps"] == 299
