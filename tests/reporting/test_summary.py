import io
import re
from dataclasses import replace
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console

from doge_ray.reporting.comparison import with_oracle
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.summary import summary_markdown
from doge_ray.reporting.tables import terminal
from tests.reporting.sweep import SWEEP

GOLDEN = Path(__file__).parent / "golden_summary.md"


def cells(records: SweepRecords, method: str) -> dict[str, str]:
    """The line of a method, by column."""
    header, lines, *_ = with_oracle(records)
    return next(dict(zip(header, line, strict=True)) for line in lines if line[0] == method)


def only(*methods: str, replicates: int = 3) -> SweepRecords:
    """The sweep with these methods and the first replicates alone."""
    return replace(
        SWEEP,
        methods=methods,
        rows=[r for r in SWEEP.rows if r.method in methods and r.replicate <= replicates],
        predictions={
            (m, r): p for (m, r), p in SWEEP.predictions.items() if m in methods and r <= replicates
        },
    )


def test_the_golden_table():
    assert summary_markdown(SWEEP) == GOLDEN.read_text()


def test_the_honest_column_is_not_the_oracle():
    """The chosen dense trial reached 61.0 and its repeats 61.7; the luckiest of three, 63.4."""
    dense = cells(SWEEP, "dense")
    assert dense["source dev"] == "72.0"
    assert dense["target"] == "61.7 ± 5.2"
    assert dense["oracle"] == "63.4"


def test_replicates_play_no_part_in_the_oracle_and_the_search_none_in_the_target():
    searched = [replace(r, target_metric=0.99) for r in SWEEP.rows if r.replicate == 0]
    repeated = [r for r in SWEEP.rows if r.replicate]
    changed = replace(SWEEP, rows=[*searched, *repeated])
    assert cells(changed, "doge")["oracle"] == "99.0"
    assert cells(changed, "doge")["target"] == cells(SWEEP, "doge")["target"]


def test_one_seed_shows_no_interval():
    doge = cells(only("dense", "doge", replicates=1), "doge")
    assert doge["target"] == "65.0 (one seed)"
    assert "±" not in "".join(doge.values())


def test_no_replicate_yet_leaves_the_target_open():
    doge = cells(only("dense", "doge", replicates=0), "doge")
    assert (doge["target"], doge["deduplicated"], doge["vs dense"]) == ("", "", "")
    assert doge["source dev"] == "74.0"


def test_shared_trainings_and_running_trials_are_counted_apart():
    assert cells(SWEEP, "doge")["trials"] == "3 (2)"
    assert cells(SWEEP, "random")["trials"] == "2 (1)"


def test_a_method_that_failed_throughout_has_its_line():
    assert cells(SWEEP, "losing")["trials"] == "1 (0)"
    assert set(list(cells(SWEEP, "losing").values())[2:]) == {""}


def test_failures_are_noted_where_there_are_any():
    assert "4 trial(s) failed" in summary_markdown(SWEEP)
    assert "failed" not in summary_markdown(only("dense", "doge"))


def test_differences_are_paired_by_seed():
    """Winning has the first seed alone: it is compared with dense's first, not with its mean."""
    pairs = SWEEP.pairs("winning", "dense")
    assert {name: [side.matched.shape for side in pair] for name, pair in pairs.items()} == {
        "letters": [(1, 50)] * 2,
        "jokes": [(1, 25)] * 2,
    }
    assert [side.matched.sum() for side in pairs["letters"]] == [32, 30]
    assert [side.matched.sum() for side in pairs["jokes"]] == [15, 15]
    doge, dense = SWEEP.pairs("doge", "dense")["letters"]
    assert (doge.matched - dense.matched).sum(1).tolist() == [3, 2, 4]


def test_without_a_shared_seed_there_is_no_difference():
    assert SWEEP.pairs("random", "dense") == {}
    alone = replace(
        SWEEP,
        predictions={
            ("doge", 1): SWEEP.predictions["doge", 1],
            ("dense", 2): SWEEP.predictions["dense", 2],
        },
    )
    assert alone.pairs("doge", "dense") == {}


def test_the_terminal_shows_the_same_cells():
    console = Console(width=200, file=io.StringIO())
    console.print(terminal(with_oracle(SWEEP), SWEEP.name))
    rows = [row for row in console.file.getvalue().splitlines() if row.startswith("│")]
    shown = [tuple(cell.strip() for cell in row[1:-1].split("│")) for row in rows]
    assert shown == with_oracle(SWEEP).rows


def test_at_eighty_columns_every_header_and_cell_is_whole():
    table = with_oracle(SWEEP)
    console = Console(width=80, file=io.StringIO(), soft_wrap=True)
    console.print(terminal(table, SWEEP.name))
    printed = console.file.getvalue()
    assert max(map(cell_len, printed.splitlines())) <= 80
    assert "…" not in printed
    shown = [line[1:-1] for line in printed.splitlines() if line[:1] in "┃│"]
    words = {cell.strip() for line in shown for cell in re.split("[┃│]", line)}
    assert words == {"", *table.header, *(cell for row in table.rows for cell in row)}
    named = [line for line in shown if line.split("┃")[0].strip() == table.header[0]]
    assert len(named) == 2  # in two bands, each with the methods
