"""Each layout has the heads, rows and cells of its paper."""

from __future__ import annotations

from typing import Any

from CrossModalSegLib.evaluation.grids import Grid, Head, grid_csv, grid_json, grid_latex
from CrossModalSegLib.evaluation.grids import grid_markdown as markdown
from CrossModalSegLib.evaluation.paper_layouts import paper_tables

CARDIAC = {
    "MR to CT": {
        "glua": [[0.8, 0.9]],
        "supervised": [[0.9, 0.9]],
        "sifa": [[0.7, 0.8]],
        "source_only": [[0.1, 0.2]],
    },
    "CT to MR": {
        "glua": [[0.6, 0.7]],
        "supervised": [[0.8, 0.8]],
        "source_only": [[0.1, 0.1]],
    },
}


def by_name(comparison: Any) -> dict[str, Grid]:
    return {grid.name: grid for grid in paper_tables(comparison)}


def labels(grid: Grid) -> list[str]:
    return [row.cells[0] for row in grid.rows]


def test_bigls_first_tables_have_deviations_and_end_with_the_upper_bound(compare: Any) -> None:
    grids = by_name(compare({"": CARDIAC["MR to CT"]}))
    dice = grids["bigl_1"]
    assert dice.header == ("Method", "AA", "LAC", "LVC", "MYO", "Average")
    assert labels(dice) == ["No adaptation", "GLUA", "sifa", "supervised"]
    assert dice.rows[1].cells[1:] == ("85.00±5.00",) * 4 + ("85.00",)
    assert dice.rows[1].bold == frozenset(range(1, 6))
    assert not dice.rows[3].bold  # bounds do not compete
    assert "standard deviation across patients (n = 2)" in dice.notes[0]
    assert grids["bigl_2"].rows[1].cells[1] == "15.00±5.00"
    assert "bigl_6" not in grids  # it needs two directions


def test_bigls_cardiac_tables_put_directions_side_by_side(compare: Any) -> None:
    grid = by_name(compare(CARDIAC))["bigl_6"]
    assert grid.groups == ((Head("MR to CT", 5), Head("CT to MR", 5)),)
    assert grid.header == ("Method", *("AA", "LAC", "LVC", "MYO", "Avg.") * 2)
    sifa = grid.rows[labels(grid).index("sifa")]
    assert sifa.cells[1:] == ("75.0",) * 5 + ("-",) * 5
    assert "standard deviation" not in " ".join(grid.notes)


def test_dsans_table_has_a_block_of_rows_for_each_direction(compare: Any) -> None:
    grid = by_name(compare(CARDIAC))["dsan_2"]
    assert grid.groups == ((Head("Dice (%)", 5), Head("ASD (voxel)", 5)),)
    assert labels(grid)[:3] == ["MR to CT", "supervised", "No adaptation"]
    assert labels(grid)[5:8] == ["CT to MR", "supervised", "No adaptation"]
    assert grid.rows[1].cells[1] == "90.00"
    assert grid.rows[1].cells[6] == "10.00"


def test_dsans_brain_table_has_one_region_and_directions_as_columns(compare: Any) -> None:
    directions = dict.fromkeys(("T1", "FLAIR", "T1CE"), CARDIAC["MR to CT"])
    grid = by_name(compare(directions, regions=("WT", "TC")))["dsan_3"]
    assert grid.groups == ((Head("Dice (%)", 4), Head("HD (mm)", 4)),)
    assert grid.header == ("Method", *("T1", "FLAIR", "T1CE", "Average") * 2)
    assert grid.rows[2].cells == ("GLUA", *("85.00",) * 4, *("15.00",) * 4)
    assert "dsan_3" not in by_name(compare(CARDIAC))


def test_gluas_table_has_a_row_of_deviations_across_runs(compare: Any) -> None:
    methods = {"source_only": [[0.1, 0.1]], "glua": [[0.8, 0.9], [0.6, 0.7]]}
    grid = by_name(compare({"MR to CT": methods}, across="runs"))["glua_1"]
    assert grid.groups[0] == (Head("MR to CT", 10),)
    assert [head.text for head in grid.groups[1]] == ["Dice (%) ↑", "ASD (voxel) ↓"]
    assert labels(grid) == ["No adaptation", "GLUA (Avg)", "Standard deviation"]
    assert grid.rows[1].cells[1] == "75.00"
    assert grid.rows[2].cells[1:6] == ("10.00",) * 4 + ("-",)
    assert "over runs (No adaptation 1, GLUA 2" in grid.notes[0]


def test_grids_have_the_same_cells_in_every_form(compare: Any) -> None:
    grid = by_name(compare(CARDIAC))["glua_1"]
    header = grid_csv(grid).splitlines()[0].split(",")
    assert header[1] == "MR to CT | Dice (%) ↑ | AA"
    content = grid_json(grid)
    assert content["rows"][2]["cells"][header[1]] == "85.00"
    assert header[1] in content["rows"][2]["best"]
    table = [line for line in markdown(grid).splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(grid.rows)
    assert {line.replace(r"\|", "").count("|") for line in table} == {22}
    latex = grid_latex(grid)
    assert r"\multicolumn{10}{c}{MR to CT} & \multicolumn{10}{c}{CT to MR} \\" in latex
    assert r"\cmidrule(lr){2-11}\cmidrule(lr){12-21}" in latex
    assert r"Dice (\%) $\uparrow$" in latex
    lines = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in lines[2:]} == {20}
