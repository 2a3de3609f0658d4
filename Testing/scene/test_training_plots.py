"""Curves of a training as nodes of a scene."""

from __future__ import annotations

from typing import Any

import pytest

from CrossModalSegLib.bridge.scene import HeadlessScene
from CrossModalSegLib.bridge.training.curves import Curves
from CrossModalSegLib.bridge.training.plots import TrainingPlots, iteration_column


def report(curves: Curves, step: int, **values: float) -> None:
    curves.take({"v": 1, "event": "metrics", "step": step, "values": values})


@pytest.fixture
def curves() -> Curves:
    curves = Curves()
    report(curves, 10, seg=2.0, adv=0.5)
    report(curves, 20, seg=1.5, adv=0.25)
    report(curves, 20, label_free_score=0.4, gpu_memory_mib=100.0)
    return curves


def column(plots: TrainingPlots, name: str) -> list[float]:
    table: Any = plots.table.GetTable()
    array = table.GetColumnByName(name)
    return [array.GetValue(row) for row in range(table.GetNumberOfRows())]


def series_of(chart: Any) -> list[str]:
    return [
        chart.GetNthPlotSeriesNode(n).GetName() for n in range(chart.GetNumberOfPlotSeriesNodes())
    ]


def test_losses_and_score_have_a_chart_each(session: HeadlessScene, curves: Curves) -> None:
    plots = TrainingPlots(session.mrml, "mole")
    plots.update(curves)
    assert series_of(plots.chart("losses")) == ["seg", "adv"]
    assert series_of(plots.chart("score")) == ["label_free_score"]
    assert column(plots, "seg") == [2.0, 1.5]
    assert column(plots, iteration_column("seg")) == [10, 20]
    assert column(plots, "label_free_score") == [0.4, 0.4]  # no longer than one point
    assert plots.table.GetTable().GetColumnByName("gpu_memory_mib") is None


def test_nodes_are_updated_in_place(session: HeadlessScene, curves: Curves) -> None:
    plots = TrainingPlots(session.mrml, "mole")
    plots.update(curves)
    nodes = session.mrml.GetNumberOfNodes()
    series = plots.chart("losses").GetNthPlotSeriesNode(0)
    array = plots.table.GetTable().GetColumnByName("seg")
    report(curves, 30, seg=1.0, adv=0.125)
    plots.update(curves)
    assert session.mrml.GetNumberOfNodes() == nodes
    assert plots.chart("losses").GetNthPlotSeriesNode(0) is series
    assert plots.table.GetTable().GetColumnByName("seg") is array
    assert column(plots, "seg") == [2.0, 1.5, 1.0]


def test_a_resumed_run_makes_curves_shorter(session: HeadlessScene, curves: Curves) -> None:
    plots = TrainingPlots(session.mrml, "mole")
    plots.update(curves)
    report(curves, 15, seg=1.75, adv=0.4)
    plots.update(curves)
    assert column(plots, iteration_column("seg")) == [10, 15]


def test_nodes_that_were_deleted_are_made_again(session: HeadlessScene, curves: Curves) -> None:
    plots = TrainingPlots(session.mrml, "mole")
    plots.update(curves)
    session.mrml.RemoveNode(plots.chart("losses"))
    session.mrml.RemoveNode(plots.table)
    plots.update(curves)
    assert series_of(plots.chart("losses")) == ["seg", "adv"]
    assert plots.chart("losses").GetNthPlotSeriesNode(0).GetTableNode() is plots.table


def test_nothing_is_made_without_points_and_all_is_removed(
    session: HeadlessScene, curves: Curves
) -> None:
    before = session.mrml.GetNumberOfNodes()
    plots = TrainingPlots(session.mrml, "mole")
    plots.update(Curves())
    assert session.mrml.GetNumberOfNodes() == before
    plots.update(curves)
    plots.remove()
    left = [node for node in session.mrml.GetNodes() if "Plot" in node.GetClassName()]
    assert [node.GetClassName() for node in left] == []
