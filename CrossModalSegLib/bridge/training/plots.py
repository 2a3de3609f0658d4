"""Curves of a run as nodes of the scene: one table, a series a curve, and two charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from CrossModalSegLib.bridge.scene import import_slicer, import_vtk
from CrossModalSegLib.bridge.training.curves import Curves

SCORE_CURVES = ("label_free_score", "source_validation_dice", "target_pseudo_label_loss")
MEMORY_CURVES = ("gpu_memory_mib", "memory_mib")
GROUPS = ("losses", "score")
TITLES = {"losses": "Losses", "score": "Label-free score"}

COLOURS = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (23, 190, 207),
)
"""Red, green, blue of the curves in turn (the "tab10" palette)."""

Points = Sequence[tuple[float, float]]


def names_of_group(curves: Curves, group: str) -> tuple[str, ...]:
    """Return the curves that one chart shows, in the order in which they were reported first."""
    if group == "score":
        return tuple(name for name in curves if name in SCORE_CURVES)
    return tuple(name for name in curves if name not in {*SCORE_CURVES, *MEMORY_CURVES})


class TrainingPlots:
    """Keeps the nodes of one run up to date, in place.

    A table's columns have one length, and curves have not: shorter ones repeat their last point.

    Args:
        scene: Gets the nodes with the first points.
        run: Name of the run.
    """

    def __init__(self, scene: Any, run: str) -> None:
        self.run = run
        self._scene = scene
        self._table_id = ""
        self._chart_ids: dict[str, str] = {}
        self._series_ids: dict[str, str] = {}

    @property
    def table(self) -> Any:
        """The table's node; None before there are points, or if it was deleted."""
        return self._scene.GetNodeByID(self._table_id) if self._table_id else None

    def chart(self, group: str) -> Any:
        """Return the chart of a group; None before there are points, or if it was deleted."""
        node_id = self._chart_ids.get(group, "")
        return self._scene.GetNodeByID(node_id) if node_id else None

    def update(self, curves: Curves) -> None:
        """Write the curves into the scene; nodes that users deleted are made again."""
        points = {name: curves[name].points for name in curves if name not in MEMORY_CURVES}
        points = {name: each for name, each in points.items() if each}
        if not points:
            return
        if self.table is None:
            table = self._add("vtkMRMLTableNode", "training curves")
            table.SetUseColumnTitleAsColumnHeader(True)  # noqa: FBT003  (VTK takes no names)
            self._table_id, self._series_ids = table.GetID(), {}
        _fill(self.table.GetTable(), points)
        self.table.Modified()
        for group in GROUPS:
            self._update_chart(group, [n for n in names_of_group(curves, group) if n in points])

    def show(self, group: str) -> None:
        """Show a chart in a layout that has a plot view."""
        slicer, chart = import_slicer(), self.chart(group)
        if chart is None:
            return
        layout = slicer.util.getNodesByClass("vtkMRMLLayoutNode")
        with_plot = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView
        if layout and "vtkMRMLPlotViewNode" not in (layout[0].GetCurrentLayoutDescription() or ""):
            slicer.app.layoutManager().setLayout(with_plot)
        for view in slicer.util.getNodesByClass("vtkMRMLPlotViewNode"):
            view.SetPlotChartNodeID(chart.GetID())

    def remove(self) -> None:
        """Take the nodes out of the scene."""
        for node_id in (*self._chart_ids.values(), *self._series_ids.values(), self._table_id):
            node = self._scene.GetNodeByID(node_id) if node_id else None
            if node is not None:
                self._scene.RemoveNode(node)
        self._table_id, self._chart_ids, self._series_ids = "", {}, {}

    def _update_chart(self, group: str, names: Sequence[str]) -> None:
        chart = self.chart(group)
        if chart is None and names:
            chart = self._add("vtkMRMLPlotChartNode", TITLES[group].lower())
            chart.SetTitle(f"{self.run}: {TITLES[group].lower()}")
            chart.SetXAxisTitle("Iteration")
            chart.SetYAxisTitle(TITLES[group])
            self._chart_ids[group] = chart.GetID()
        for name in names:
            series = self._series(name)
            if not chart.HasPlotSeriesNodeID(series.GetID()):
                chart.AddAndObservePlotSeriesNodeID(series.GetID())

    def _series(self, name: str) -> Any:
        series = self._scene.GetNodeByID(self._series_ids.get(name, "")) or None
        if series is not None:
            return series
        slicer = import_slicer()
        series = self._add("vtkMRMLPlotSeriesNode", name)
        series.SetName(name)  # what a legend says
        series.SetAndObserveTableNodeID(self._table_id)
        series.SetXColumnName(iteration_column(name))
        series.SetYColumnName(name)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        series.SetLineWidth(2)
        series.SetColor(*(part / 255 for part in COLOURS[len(self._series_ids) % len(COLOURS)]))
        self._series_ids[name] = series.GetID()
        return series

    def _add(self, class_name: str, what: str) -> Any:
        return self._scene.AddNewNodeByClass(class_name, f"{self.run} - {what}")


def iteration_column(name: str) -> str:
    """Return the name of the column with the iterations of a curve."""
    return f"iteration of {name}"


def _fill(table: Any, points: Mapping[str, Points]) -> None:
    """Write curves into a table, in the arrays that it has."""
    rows = max(len(each) for each in points.values())
    for name, each in points.items():
        padded = [*each, *[each[-1]] * (rows - len(each))]
        for column, part in ((iteration_column(name), 0), (name, 1)):
            array = _column(table, column)
            array.SetNumberOfTuples(rows)
            for row, point in enumerate(padded):
                array.SetValue(row, point[part])
            array.Modified()
    table.Modified()


def _column(table: Any, name: str) -> Any:
    array = table.GetColumnByName(name)
    if array is None:
        array = import_vtk().vtkDoubleArray()
        array.SetName(name)
        array.SetNumberOfTuples(table.GetNumberOfRows())
        table.AddColumn(array)
    return array
