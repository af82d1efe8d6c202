"""The tables of a comparison say the same in a terminal, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv as csv_format
import dataclasses
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

from lstmctl.reporting import papers
from lstmctl.reporting.comparison_tables import (
    costs,
    csv,
    differences,
    figures,
    in_words,
    tables,
)
from lstmctl.reporting.comparison_words import decimals, percent, time_words
from lstmctl.reporting.terminal import show
from lstmctl.results.comparison import Comparison, Difference

MakeComparison = Callable[..., Comparison]
NewScreen = Callable[..., Any]
HOSTILE = ("<script>x</script>", "a_b & 50 % | *c* $d$", "[k](u) \x1b[2J ~^\\{}#")


def markdown(comparison: Comparison) -> str:
    return papers.markdown(in_words(comparison))


def latex(comparison: Comparison) -> str:
    return papers.latex(in_words(comparison), comparison.command)


def shown(comparison: Comparison, new_screen: NewScreen, **screen: Any) -> str:
    stream = new_screen(**screen)
    show(in_words(comparison), stream=stream)
    return str(stream.text)


def test_the_terminal_shows_figures_differences_costs_and_the_statement(
    make_comparison: MakeComparison, new_screen: NewScreen
) -> None:
    assert shown(make_comparison(), new_screen).splitlines() == [
        "Nats per character on the test part, lower is better",
        "arm                    parameters  mean [95 % interval]            each seed",
        "rnn               86,420 (-0.2 %)  1.713 [1.687, 1.739]  1.712, 1.724, 1.703",
        "lstm              86,591 (+0.0 %)  1.585 [1.559, 1.611]  1.584, 1.596, 1.575",
        "gru               86,733 (+0.2 %)  1.572 [1.546, 1.598]  1.571, 1.583, 1.562",
        "uniform (chance)                                  4.174",
        "n-gram                                            1.947",
        "",
        "Differences in nats per character on the test part",
        "arms            difference [95 % interval]  adjusted p  test",
        "rnn minus lstm     +0.128 [+0.107, +0.149]  <0.001      paired",
        "rnn minus gru      +0.141 [+0.120, +0.162]  <0.001      paired",
        "lstm minus gru     +0.013 [-0.008, +0.034]  0.182       paired",
        "",
        "Settings and cost, rate in characters per second",
        "arm   settings    steps  rate      time  to level  memory  kernel",
        "rnn   hidden=248  1,024  152k/s   6.9 s     6.9 s  512 MB  stepwise",
        "lstm  hidden=112  1,024  83k/s   12.6 s     2.4 s  512 MB  oneDNN",
        "gru   hidden=132  1,024  31k/s   33.8 s     6.1 s  512 MB  stepwise",
        "Kernels differ, so rates compare implementations as much as cells.",
        "",
        "Over 3 seeds, on this data: lstm is better than rnn by 0.128 nats per character; no difference was shown "
        "between lstm and gru.",
    ]


def test_the_tables_fit_a_narrow_terminal(make_comparison: MakeComparison, new_screen: NewScreen) -> None:
    from rich.text import Text

    text = shown(make_comparison(), new_screen, terminal=True)
    rows = [Text.from_ansi(line) for line in text.splitlines() if "minus" in line or "hidden=" in line or "1.7" in line]
    assert len(rows) == 7
    assert max(row.cell_len for row in rows) <= 80


def test_a_cell_is_named_where_an_arm_is_called_otherwise(make_comparison: MakeComparison) -> None:
    assert "cell" not in figures(make_comparison()).columns
    table = figures(make_comparison(names=("plain", "lstm", "gru")))
    assert table.columns[:2] == ("arm", "cell")
    assert table.rows[0][:2] == ("plain", "rnn")


def test_a_diverged_run_is_named_and_its_arm_said_to_be_flattered(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(diverged=["rnn-seed-1"])
    table = figures(comparison)
    assert table.rows[0][2:] == ("1.708 [1.681, 1.734]", "1.712, diverged, 1.703")
    assert table.warnings == ("rnn: 1 of 3 runs diverged; the mean is over the 2 that did not, which favours the arm.",)
    assert differences(comparison).rows[0][-1] == "welch"


def test_an_arm_that_diverged_keeps_its_row_everywhere(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(diverged=[f"gru-seed-{seed}" for seed in range(3)])
    assert figures(comparison).rows[2] == ("gru", "86,733 (+0.2 %)", "diverged", "diverged, diverged, diverged")
    assert differences(comparison).rows[1] == ("rnn minus gru", "diverged", "", "")
    assert costs(comparison).rows[2] == ("gru", "hidden=132", "1,024", "", "diverged", "", "", "stepwise")
    for form in (markdown, latex, csv):
        assert form(comparison).count("diverged") >= 3


def test_one_seed_has_no_interval_and_that_is_said(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(seeds=[0])
    assert figures(comparison).rows[0][2] == "1.712 (one seed: no interval)"
    table = differences(comparison)
    assert table.columns == ("arms", "difference [95 % interval]")
    assert table.rows[0] == ("rnn minus lstm", "+0.128 (no interval)")
    assert table.warnings[0].startswith("No interval: it needs two seeds")
    for form in (markdown, latex):
        assert "one seed: no interval" in form(comparison)


def test_runs_at_once_make_times_not_comparable_in_every_form(
    make_comparison: MakeComparison, new_screen: NewScreen
) -> None:
    comparison = make_comparison(jobs=2)
    reason = "not comparable: 2 runs at once shared the machine"
    text = shown(comparison, new_screen)
    assert "rate*" in text
    assert f"* {reason}." in text
    assert f"\\* {reason}." in markdown(comparison)
    assert r"| rate\* | time\* | to level\* |" in markdown(comparison)
    assert r"rate{*} & time{*} & to level{*}" in latex(comparison)
    assert {row["times"] for row in rows_of(csv(comparison))} == {reason}
    alone = make_comparison()
    assert "comparable" not in shown(alone, new_screen) + markdown(alone) + latex(alone)
    assert {row["times"] for row in rows_of(csv(alone))} == {"comparable"}


def test_parameters_far_from_the_target_are_warned_of(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    near, far = (dataclasses.replace(comparison.arms[0], deviation=share) for share in (-0.0199, -0.0312))
    assert figures(dataclasses.replace(comparison, arms=(near, *comparison.arms[1:]))).warnings == ()
    assert figures(dataclasses.replace(comparison, arms=(far, *comparison.arms[1:]))).warnings == (
        "More than 2 % from the target of parameters: rnn -3.1 %; sizes are only approximately equal.",
    )


def test_what_is_not_matched_and_not_known_is_left_out(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(match="hidden", target=None, level=None, machine={"device_name": "Some GPU"})
    arms = tuple(
        dataclasses.replace(arm, deviation=None, kernel=None, peak_memory=None, seconds_to_level=None)
        for arm in comparison.arms
    )
    comparison = dataclasses.replace(comparison, arms=arms, tests=())
    assert figures(comparison).rows[0][1] == "86,420"
    assert costs(comparison).columns == ("arm", "settings", "steps", "rate", "time")
    assert costs(comparison).warnings == ()
    assert "To level" not in costs(comparison).about
    assert "widths are as given" in figures(comparison).about
    assert "Differences" not in markdown(comparison)


def test_kernels_that_differ_on_a_gpu_are_not_explained_by_the_cpu(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(machine={"device_name": "Some GPU"})
    assert costs(comparison).warnings == ("Kernels differ, so rates compare implementations as much as cells.",)


def test_a_level_that_an_arm_does_not_reach_is_never(make_comparison: MakeComparison) -> None:
    comparison = make_comparison()
    arms = (dataclasses.replace(comparison.arms[0], seconds_to_level=None), *comparison.arms[1:])
    table = costs(dataclasses.replace(comparison, arms=arms))
    assert [row[table.columns.index("to level")] for row in table.rows] == ["never", "2.4 s", "6.1 s"]
    assert "validation curve is at 1.693 nats per character, which is where the worst arm ends up" in table.about


def test_higher_is_better_turns_the_sign_that_speaks_for_the_first(make_comparison: MakeComparison) -> None:
    comparison = make_comparison(primary="accuracy")
    assert "higher is better" in figures(comparison).title
    assert differences(comparison).about.startswith("A positive difference favours the first arm")


@pytest.mark.parametrize(
    ("value", "half", "places"), [(1.5, 0.02, 3), (1.5, 0.0004, 5), (0.28, 0.02, 4), (12345.0, 300.0, 0), (0.0, 0.2, 3)]
)
def test_decimals_follow_the_smallest_value_and_the_narrowest_interval(
    make_comparison: MakeComparison, value: float, half: float, places: int
) -> None:
    comparison = make_comparison(seeds=[0])
    arm = comparison.arms[0]
    run = dataclasses.replace(arm.runs[0], value=value)
    arm = dataclasses.replace(arm, runs=(run,), mean=value, low=value - half, high=value + half)
    assert decimals(dataclasses.replace(comparison, arms=(arm,), tests=())) == places


def test_markdown_has_a_table_for_each_with_its_caption(make_comparison: MakeComparison) -> None:
    text = markdown(make_comparison())
    assert (
        "**Nats per character on the test part, lower is better.** Mean over seeds with its 95 % interval, on this "
        "corpus alone. Config sea on sea.txt; seeds 0, 1, 2; training on 1,048,576 characters; each arm's width gives "
        "it about 86,591 parameters."
    ) in text
    assert (
        "| arm | parameters | mean [95 % interval] | each seed |\n| --- | ---: | ---: | --- |\n"
        "| rnn | 86,420 (-0.2 %) | 1.713 [1.687, 1.739] | 1.712, 1.724, 1.703 |\n"
    ) in text
    assert "| uniform (chance) |  | 4.174 |  |" in text
    assert text.endswith("no difference was shown between lstm and gru.\n")


def test_latex_is_a_booktabs_table_with_its_caption(make_comparison: MakeComparison) -> None:
    text = latex(make_comparison())
    assert text.startswith("% Needs \\usepackage{booktabs}")
    assert "% Made by: lstmctl compare rnn lstm gru" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{table}") == 3
    assert r"\caption{Nats per character on the test part, lower is better. Mean over seeds with its 95 \% int" in text
    assert r"\label{tab:figures}" in text
    assert r"    rnn & 86,420 ($-$0.2 \%) & 1.713 {[}1.687, 1.739] & 1.712, 1.724, 1.703 \\" in text
    assert "    \\midrule\n    uniform (chance) &  & 4.174 &  \\\\\n" in text
    assert r"lstm minus gru & +0.013 {[}$-$0.008, +0.034] & 0.182 & paired \\" in text


def test_names_cannot_break_out_of_any_table(make_comparison: MakeComparison, new_screen: NewScreen) -> None:
    comparison = make_comparison(names=HOSTILE, statement="\x1b[2J evil\n% <b>", command="x\n\\input{y}")
    forms = {form: form(comparison) for form in (markdown, latex, csv)}
    for text in (*forms.values(), shown(comparison, new_screen)):
        assert "\x1b" not in text
    assert "<script>" not in forms[markdown]
    assert r"a\_b &amp; 50 % \| \*c\* \$d\$" in forms[markdown]
    assert r"[k\](u) \\x1b[2J \~^\\{}#" in forms[markdown]
    assert r"a\_b \& 50 \% \textbar{} {*}c{*} \$d\$" in forms[latex]
    escaped = r"{[}k](u) \textbackslash{}x1b{[}2J \textasciitilde{}\textasciicircum{}\textbackslash{}\{\}\#"
    assert escaped in forms[latex]
    assert not [line for line in forms[latex].splitlines() if line.startswith(r"\input")]
    for line in forms[latex].splitlines():
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) in (4, 3, 7)
    assert {row["arm"] for row in rows_of(forms[csv])} == {*HOSTILE[:2], r"[k](u) \x1b[2J ~^\{}#"}


def test_csv_has_a_row_for_every_run_with_every_figure(make_comparison: MakeComparison) -> None:
    rows = rows_of(csv(make_comparison(diverged=["lstm-seed-2"])))
    assert [(row["arm"], row["seed"], row["status"]) for row in rows[3:6]] == [
        ("lstm", "0", "finished"),
        ("lstm", "1", "finished"),
        ("lstm", "2", "diverged"),
    ]
    assert rows[0] == {
        "arm": "rnn",
        "cell": "rnn",
        "seed": "0",
        "run": "rnn-seed-0",
        "status": "finished",
        "parameters": "86420",
        "deviation": str(86420 / 86591 - 1),
        "steps": "1024",
        "units": "1048576",
        "test_nats_per_character": "1.712",
        "test_bits_per_character": str(1.712 * 1.4427),
        "test_nats_per_character_cold": "1.812",
        "validation_nats_per_character": "1.692",
        "validation_bits_per_character": str(1.692 * 1.4427),
        "seconds": str(1_048_576 / 152_300),
        "rate": "152300.0",
        "peak_memory": "512000000",
        "kernel": "stepwise",
        "times": "comparable",
    }
    assert len(rows) == 9
    lost = rows[5]
    assert [lost[name] for name in lost if name.startswith("test_")] == ["", "", ""]
    assert (lost["seconds"], lost["units"]) == ("", "262144")


def test_a_comparison_in_which_nothing_finished_has_all_its_tables(
    make_comparison: MakeComparison, new_screen: NewScreen
) -> None:
    runs = [f"{arm}-seed-0" for arm in ("rnn", "lstm", "gru")]
    comparison = make_comparison(seeds=[0], diverged=runs, level=None, baselines={})
    assert shown(comparison, new_screen).count("diverged") >= 6
    assert len(rows_of(csv(comparison))) == 3
    assert isinstance(comparison.tests[0], Difference)
    assert "diverged" in markdown(comparison)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00 min"), (754, "12:34 min"), (3723, "1:02:03 h")],
)
def test_times_carry_their_unit(seconds: float | None, words: str) -> None:
    assert time_words(seconds) == words


def test_shares_are_in_per_cent() -> None:
    assert (percent(0.95), percent(0.999), percent(-0.0199, signed=True)) == ("95 %", "99.9 %", "-2.0 %")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv_format.DictReader(io.StringIO(text)))


def test_a_comparison_of_forecasts_in_tables(make_forecast_comparison: MakeComparison) -> None:
    reached, apart, taken = tables(make_forecast_comparison())
    assert reached.title == "MSE, scaled, on the test part, lower is better"
    assert "on these series alone" in reached.about
    assert [row[0] for row in reached.beneath] == ["last value", "seasonal naive", "drift", "ridge"]
    assert apart.title == "Differences in MSE, scaled, on the test part"
    assert "on these series alone" in apart.about
    assert taken.title == "Settings and cost, rate in windows per second"


def test_a_comparison_of_text_speaks_of_its_corpus(make_comparison: MakeComparison) -> None:
    reached, apart, _ = tables(make_comparison())
    assert reached.title == "Nats per character on the test part, lower is better"
    assert "on this corpus alone" in reached.about
    assert "on this corpus alone" in apart.about
