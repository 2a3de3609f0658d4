"""The page about a run, at every stage of its life."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from CrossModalSegLib.cli.run_report import ReportRun
from CrossModalSegLib.core.errors import ConfigError, OutputExistsError, RunError
from CrossModalSegLib.core.events import Reporter
from CrossModalSegLib.core.tasks import TASKS, task_to_dict
from CrossModalSegLib.evaluation.figure_style import new_figure, png_bytes
from CrossModalSegLib.evaluation.run_record import read_run
from CrossModalSegLib.evaluation.run_report import run_report
from CrossModalSegLib.training.run_folder import Journal, RunFolder

CONFIG = {
    "method": "dsan",
    "preset": "quick",
    "overrides": ["training.batch_size=4"],
    "task": task_to_dict(TASKS["cardiac"]),
    "settings": {"method": {"backbone": {"width": 8}}, "training": {"batch_size": 2}},
    "cohorts": {"source": {"path": "/data/a <b>", "hash": "12"}, "target": None},
    "seed": 7,
    "device": "cpu",
    "versions": {"torch": "2"},
    "changes": [{"setting": "training.batch_size", "before": 4, "after": 2, "iteration": 20}],
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "my run", CONFIG)


@pytest.fixture
def told(run: RunFolder) -> RunFolder:
    """A run that was cut short and resumed, with pictures."""
    picture = png_bytes(new_figure(1.0, 1.0)[0])
    with closing(Journal(run.journal_file)) as journal:
        events = Reporter(sinks=[journal])
        for steps in ((20, 40), (30, 60)):
            events.stage("train", 60)
            for step in steps:
                values = {"seg": 1 / step, "memory_mib": 100.0 + step}
                events.metrics(
                    step, values | {"label_free_score": 0.9 if step == 40 else step / 100}
                )
                path = run.previews / f"{step:06d}.png"
                path.write_bytes(picture)
                events.preview(path, f"iteration {step}")
                events.progress("train", step, 60)
        events.warning("x", "Mind <this>.", "And that.")
    return run


def test_a_record_knows_what_a_resumed_run_took_back(told: RunFolder) -> None:
    record = read_run(told.path)
    assert (record.state, record.done, record.total) == ("killed", 60, 60)
    assert record.best_score == (60, 0.6)  # not the 0.9 that was lost
    assert record.peak_mib == {"memory_mib": 160.0}
    with told.locked():
        assert read_run(told.path).state == "running"


def test_the_page_has_settings_curves_pictures_score_and_messages(told: RunFolder) -> None:
    content = run_report(told.path)
    assert content.title == "Training run my run"
    assert [(h.label, h.value) for h in content.headlines] == [
        ("Iterations", "60"),
        ("Label-free score", "0.600"),
        ("Memory", "0.16 GiB"),
    ]
    sections = {section.title: section for section in content.sections}
    assert list(sections) == ["Curves", "Pictures", "Settings"]
    captions = [picture.caption for picture in sections["Pictures"].pictures]
    assert captions == [f"iteration {step}" for step in (20, 40, 30, 60)]
    (grid,) = sections["Settings"].grids
    assert [row.cells for row in grid.rows] == [
        ("method.backbone.width", "8", ""),
        ("training.batch_size", "2", "4 before iteration 20"),
    ]
    assert content.notes == ("Warning: Mind <this>. And that.",)


def test_a_run_that_has_done_nothing_has_a_page(run: RunFolder, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    ReportRun(folder=run.path, output=output).run(Reporter())
    page = output.read_text(encoding="utf-8")
    assert "/data/a &lt;b&gt; (12)" in page
    assert "--override training.batch_size=4" in page
    assert "<b>" not in page.replace("<body>", "")


def test_the_page_holds_everything_itself(told: RunFolder) -> None:
    heard: list[object] = []
    ReportRun(folder=told.path).run(Reporter(sinks=[heard.append]))
    page = (told.path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert 'src="http' not in page
    assert "Mind &lt;this&gt;." in page
    with pytest.raises(OutputExistsError):
        ReportRun(folder=told.path).run(Reporter())
    ReportRun(folder=told.path, overwrite=True).run(Reporter())


def test_many_pictures_are_thinned_and_moved_ones_found(told: RunFolder, tmp_path: Path) -> None:
    picture = (told.previews / "000020.png").read_bytes()
    with closing(Journal(told.journal_file)) as journal:
        for step in range(100, 130):
            path = told.previews / f"{step:06d}.png"
            path.write_bytes(picture)
            Reporter(sinks=[journal]).preview(path, f"iteration {step}")
    moved = told.path.rename(tmp_path / "moved")
    sections = {section.title: section for section in run_report(moved).sections}
    captions = [picture.caption for picture in sections["Pictures"].pictures]
    assert len(captions) == 6
    assert (captions[0], captions[-1]) == ("iteration 20", "iteration 129")


def test_what_is_no_run_or_no_page_is_refused(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        ReportRun(folder=tmp_path, output=tmp_path / "a.html").run(Reporter())
    with pytest.raises(ConfigError, match=r"\.html"):
        ReportRun(folder=run.path, output=tmp_path / "a.pdf").run(Reporter())
    run.journal_file.write_text('{"event": "progress", "stage": "train"}\n')
    with pytest.raises(ConfigError, match="lacks something"):
        run_report(run.path)
