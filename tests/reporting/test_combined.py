import io
from dataclasses import replace

from rich.console import Console

from doge_ray.reporting.combined import PartRecords, combined, combined_markdown
from doge_ray.reporting.tables import terminal
from tests.reporting.sweep import SWEEP


def shifted(points: float):
    """The hand-made sweep with every target metric that much higher."""
    rows = [
        replace(row, target_metric=row.target_metric + points / 100)
        if row.target_metric is not None
        else row
        for row in SWEEP.rows
    ]
    return replace(SWEEP, methods=("dense", "doge"), rows=rows)


ONE = PartRecords("all-a", "A", {"dense": 69.8, "irm": 70.4, "doge": 71.7}, shifted(0))
TWO = PartRecords("all-b-0", "B", {"dense": 60.2, "doge": 61.0}, shifted(1))
THREE = PartRecords("all-b-1", "B", {}, shifted(3))
PENDING = PartRecords("all-b-2", "B", {}, None)


def cells(parts, column: str, method: str) -> dict[str, str]:
    header, lines, *_ = combined(parts)
    return next(
        dict(zip(header, line, strict=True)) for line in lines if line[:2] == (column, method)
    )


def test_a_column_of_one_sweep_shows_its_seeds():
    assert cells([ONE], "A", "doge") == {
        "data": "A",
        "method": "doge",
        "sweeps": "1 of 1",
        "removed": "25 %",
        "target": "67.3 ± 6.3",
        "vs dense": "+5.7 [+1.7, +11.0]",
        "oracle": "70.0",
        "paper": "71.7",
    }
    assert cells([ONE], "A", "dense")["vs dense"] == ""


def test_a_column_of_several_sweeps_shows_the_mean_of_their_means():
    """61.7 + 1 and 61.7 + 3: their mean, and Student's interval over two."""
    dense = cells([ONE, TWO, THREE], "B", "dense")
    assert (dense["sweeps"], dense["target"]) == ("2 of 2", "63.7 ± 12.7")
    assert (dense["oracle"], dense["paper"]) == ("65.4", "60.2")
    # Both sweeps have the same predictions, so the same difference.
    assert cells([ONE, TWO, THREE], "B", "doge")["vs dense"] == "+5.7 [+5.7, +5.7]"
    assert cells([TWO, PENDING], "B", "doge")["vs dense"] == "+5.7 (one sweep)"


def test_a_sweep_without_results_is_counted_and_left_out():
    assert cells([TWO, PENDING], "B", "dense")["sweeps"] == "1 of 2"
    assert cells([TWO, PENDING], "B", "dense")["target"] == "62.7 (one sweep)"
    assert cells([PENDING, ONE], "A", "dense")["target"].startswith("61.7")


def test_a_method_that_the_paper_alone_has_shows_its_value():
    irm = cells([ONE], "A", "irm")
    assert (irm["target"], irm["oracle"], irm["paper"]) == ("", "", "70.4")


def test_the_average_is_over_columns_not_sweeps():
    dense = cells([ONE, TWO, THREE], "average", "dense")
    assert dense["target"] == "62.7"  # of 61.7 and 63.7
    assert dense["paper"] == "65.0"  # of 69.8 and 60.2
    assert cells([ONE, TWO, THREE], "average", "irm")["paper"] == ""


def test_one_column_has_no_average_and_an_open_column_none_either():
    assert not any(line[0] == "average" for line in combined([TWO, THREE]).rows)
    assert cells([ONE, PENDING], "average", "dense")["target"] == ""


def test_the_text_lists_every_sweep_where_a_column_has_several():
    text = combined_markdown("all", [ONE, TWO, THREE])
    assert text.startswith("# all\n\n| data | method |")
    assert "| all-b-1 | dense | 1 of 1 |" in text.partition("## Every sweep")[2]
    assert "Every sweep" not in combined_markdown("all", [ONE, TWO])


def test_the_terminal_shows_the_same_cells():
    console = Console(width=200, file=io.StringIO())
    console.print(terminal(combined([ONE, TWO]), "all"))
    rows = [row for row in console.file.getvalue().splitlines() if row.startswith("│")]
    shown = [tuple(cell.strip() for cell in row[1:-1].split("│")) for row in rows]
    assert shown == combined([ONE, TWO]).rows
