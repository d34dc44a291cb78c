"""A catalogue of runs: filtered, shown, and as a table."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import runlog

QUIET = {"quiet": True, "console": "off"}


def train(run_id: str, *, config: dict[str, object], loss: float, project: str = "p") -> Path:
    tags = ["good"] if loss < 0.5 else []
    with runlog.init(project=project, id=run_id, tags=tags, config=config, settings=QUIET) as run:
        run.log({"train": {"loss": loss}, "note": "text"})
    return Path(run.dir)


@pytest.fixture
def three() -> runlog.Catalog:
    train("aaaa", config={"lr": 1, "opt": "sgd"}, loss=0.25)
    train("bbbb", config={"lr": 0.5}, loss=0.75)
    train("cccc", config={"lr": 0.5, "opt": 3}, loss=0.5, project="q")
    return runlog.runs()


def test_filters_leave_what_fits_them_all(three: runlog.Catalog) -> None:
    assert [r.id for r in three.filter(project="p")] == ["aaaa", "bbbb"]
    assert [r.id for r in three.filter(tag="good")] == ["aaaa"]
    assert [r.id for r in three.filter(state=["finished", "failed"], project="q")] == ["cccc"]
    assert [r.id for r in three.filter(lambda r: r.config["lr"] == 0.5)] == ["bbbb", "cccc"]
    assert len(three.filter(state="crashed")) == 0


def test_a_state_that_no_run_can_have_is_refused(three: runlog.Catalog) -> None:
    with pytest.raises(ValueError, match="no run is ever 'dead'"):
        three.filter(state="dead")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="function"):
        three.filter("p")  # type: ignore[arg-type]


def test_config_and_summary_are_columns(three: runlog.Catalog) -> None:
    frame = three.to_pandas()
    assert frame["id"].tolist() == ["aaaa", "bbbb", "cccc"]
    assert frame["config.lr"].tolist() == [1.0, 0.5, 0.5]
    table = three.to_arrow()
    assert table["config.opt"].to_pylist() == ["sgd", None, "3"]  # of different types: text
    assert frame["summary.train.loss"].tolist() == [0.25, 0.75, 0.5]
    assert frame["summary.note"].tolist() == ["text"] * 3
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"
    assert not frame["damaged"].any()
    assert three.to_polars().shape == frame.shape


def test_sql_reads_it_as_it_is(three: runlog.Catalog) -> None:
    found = duckdb.sql('select id from three order by "summary.train.loss" limit 1')
    assert found is not None
    assert (len(three), found.fetchall()) == (3, [("aaaa",)])


def test_an_empty_one_is_a_table_too(tmp_path: Path) -> None:
    empty = runlog.runs(tmp_path)
    assert empty.to_arrow().num_rows == 0
    assert repr(empty) == "no runs"


def test_it_prints_as_a_table_without_a_hostile_name_reaching_the_terminal() -> None:
    settings = {**QUIET, "run_name": "a\x1b[31m"}
    with runlog.init(project="p", id="abcd", settings=settings):
        pass
    title, line = repr(runlog.runs()).splitlines()
    assert title.split() == ["run", "state", "started", "seconds", "step", "name"]
    assert line.split()[:2] == ["p/abcd", "finished"]
    assert "\x1b" not in line
    assert "<td>p/abcd</td>" in runlog.runs()._repr_html_()


def test_of_many_both_ends_are_shown() -> None:
    info = runlog.RunInfo("r", "p", None, (), "empty", None, None, None, {}, {}, 0, Path())
    many = runlog.Catalog([info] * 30)
    assert len(repr(many).splitlines()) == 22
    assert "… 10 more" in repr(many)
    assert "… 10 more" in many._repr_html_()


def test_damage_is_marked() -> None:
    folder = train("aaaa", config={}, loss=0.5)
    (path,) = folder.glob("*.rlog")
    path.write_bytes(path.read_bytes()[:-40])  # the footer
    (info,) = runlog.runs()
    assert info.damage
    assert "finished, damaged" in repr(runlog.runs())
