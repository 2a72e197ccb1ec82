"""`omni-router eval-choice`: how good and how dear the models are that the score chooses, beside simple rules."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from omni_router.cli import options
from omni_router.cli.console import console, note, print_wrapped, progress_bar
from omni_router.cli.options import OUTPUT, option
from omni_router.cli.parser import Command
from omni_router.cli.validators import PATH, PLOT
from omni_router.errors import ConfigurationError

if TYPE_CHECKING:
    from omni_router.evaluation.choice_result import ChoiceResult

LISTS, FEWEST_LISTS = 200, 20
CHOICE = "evaluation"

EXAMPLES = """\
SCORES.csv has the columns date,category,model,open,score: one score of one model on each line. The
words of a category say which route it is about (Coding/code_completion, math, creative_writing;
others count for question_answering). Only open models (open 1) are chosen from. Higher is better.
PRICES.csv has model,input,output,context,released: US dollars for a million tokens, and the release
date. Only models with a line here are served; an empty price counts as the median. A column
trending, 1 for the first, adds the rule of that name.

Each category is judged by the models that the other categories choose, on random lists of models.
The rules: random, newest, trending; best_constant, the model with the highest mean score, and
cheapest_adequate_constant, the cheapest with 98 % of it; best, balanced and cheapest, by the score
that the router chooses with; oracle, the best in the judged category, which nobody can know. Prices
mix three tokens of input with one of output. Intervals: 95 % of random lists and resampled tasks.

examples:
  omni-router eval-choice
        a first look, on synthetic tables that ship: no number in them is that of a real model
  omni-router eval-choice scores.csv prices.csv
  omni-router eval-choice scores.csv prices.csv --plot choice.png
  omni-router eval-choice scores.csv prices.csv --json | jq .pickers.balanced
  omni-router eval-choice scores.csv prices.csv --across-dates
        the scores of other dates choose

exit status: 0 evaluated, 2 something to correct first
"""


@click.command(
    "eval-choice",
    cls=Command,
    help="Measure how good and how dear the chosen models are, on tables of scores and prices.",
    epilog=EXAMPLES,
)
@options.all_of(
    click.argument("scores", type=PATH, metavar="SCORES.csv", required=False),
    click.argument("prices", type=PATH, metavar="PRICES.csv", required=False),
    option("--lists", type=click.IntRange(min=1), section=CHOICE, metavar="N",
           help=f"random lists of models at each date ({LISTS}, fewer with more than two dates)"),
    option("--seed", type=int, default=0, section=CHOICE, metavar="N", help="another seed draws other lists (0)"),
    option("--across-dates", is_flag=True, section=CHOICE, help="let the scores of the other dates choose"),
    options.json_output("print one JSON object on stdout, and nothing else"),
    option("--plot", type=PLOT, section=OUTPUT, metavar="FILE",
           help="draw quality against price, the frontier and the rules (.png, .svg or .pdf)"),
)  # fmt: skip
def command(*, scores: Path | None, prices: Path | None, plot: Path | None, as_json: bool, **flags: Any) -> int:
    """Evaluate the rules on the tables, and print what they come to."""
    from omni_router.evaluation.choice import judge
    from omni_router.evaluation.choice_result import ChoiceResult
    from omni_router.evaluation.score_tables import read_tables

    if scores is None or prices is None:
        scores, prices = _synthetic_tables(scores)
    tables = read_tables(scores, prices)
    if flags["across_dates"] and len(tables.scores) == 1:
        raise ConfigurationError(f"{scores}: --across-dates needs the scores of at least two dates, not one")
    flags["lists"] = flags["lists"] or max(FEWEST_LISTS, min(LISTS, 2 * LISTS // len(tables.scores)))
    with progress_bar("eval-choice", flags["lists"] * len(tables.scores)) as advance:
        judgements = list(judge(tables, **flags, advance=advance))
    if not judgements:
        raise ConfigurationError(f"{scores}: no category has scores of two models of the same list; give more --lists")
    result = ChoiceResult(tables, judgements, flags["lists"], flags["seed"])
    _draw(result, plot)
    if as_json:
        click.echo(json.dumps(result.as_json()))
    else:
        _print(result)
    return 0


def _synthetic_tables(scores: Path | None) -> tuple[Path, Path]:
    """Return the tables that ship, for a first look; neither goes with a table of the user's."""
    from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES

    if scores is not None:
        raise click.UsageError(f"{scores} needs a table of prices behind it; without both, synthetic tables are used")
    note("these are the synthetic tables that ship; name your own: SCORES.csv PRICES.csv")
    return SYNTHETIC_SCORES, SYNTHETIC_PRICES


def _draw(result: "ChoiceResult", path: Path | None) -> None:
    from omni_router.errors import install_command
    from omni_router.evaluation.choice_plot import draw_choice

    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = draw_choice(result, path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error}") from error
    if not drawn:
        note(f"no plot without matplotlib: {install_command('eval')}")


def _print(result: "ChoiceResult") -> None:
    from omni_router.evaluation.choice_result import REFERENCE, relative

    found = result.as_json()
    out = console()
    days = ", ".join(filter(None, found["dates"])) or "one date"
    print_wrapped(
        f"{found['models']} served models, {len(found['categories'])} categories of {len(found['routes'])} routes, "
        f"{days}; {found['lists']} random lists of models.\n",
        width=out.width,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("rule", no_wrap=True)
    for name in ("quality", "95 %", f"of {REFERENCE}", "price", "95 %", f"of {REFERENCE}"):
        table.add_column(name, justify="right")
    for name, pick in found["pickers"].items():
        cells = []
        for measure, digits in (("quality", 1), ("price", 2)):
            cells += [_figure(pick[measure], digits), _interval(pick[f"{measure}_interval"], digits)]
            cells.append(relative(pick, measure))
        table.add_row(name, *cells)
    out.print(table)
    for text in found["notes"]:
        note(text)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(ends: list[float] | None, digits: int) -> str:
    if ends is None:
        return "-"
    return f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}"
