"""What verdicts add to leaderboards: 500 calls of each route, with verdicts on some of them, rule by rule.

    python -m benchmarks.outcomes --data ../shared/data
    python -m benchmarks.outcomes --outcomes TABLE.csv

A call is good with the probability that a table of scores gives for its model, and the prior is what the other
categories say of it. --outcomes replays a table of outcomes instead, one line each: route,prompt,model,outcome, with
outcomes from 0 to 1; its prior is flat. Prices do not matter here.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.outcome_routes import DRAWN, SEED, Game, Route, game, replay, routes_of, sources_of
from benchmarks.outcome_rules import CALLS_A_DAY, Floats, Picks, Rule, Seen, rules
from benchmarks.report import IMAGES, table, write_section
from omni_router.evaluation.plots import COLOURS, DPI, GREY, new_figure, quiet_axes
from omni_router.evaluation.score_tables import SYNTHETIC_PRICES, SYNTHETIC_SCORES, read_tables
from omni_router.selection.verdicts import VERDICT_HALF_LIFE

CALLS, EVENT, LAST = 500, 250, 100  # calls, and the one at which something happens
SHARES = (1.0, 0.1, 0.05)  # of the calls that get a verdict
PRIORS = ("good", "weak", "shuffled", "reversed")
EVENTS = ("degrades", "vanishes", "new")


def play(
    played: Game, rule: Rule, share: float, chance: np.random.Generator, event: str = "", **how: float | None
) -> Floats:
    """Return the expected quality of each call relative to the best model at that time, by run and call."""
    truth = played.truth.copy()
    rows = np.arange(len(truth))
    offered = np.ones(truth.shape, bool)
    if event == "new":
        offered[rows, played.best] = False
    seen = Seen(played.prior, chance, offered, share, **how)  # type: ignore[arg-type]  # by name
    served = np.ones(truth.shape, bool)
    quality = np.zeros((len(truth), CALLS))
    for call in range(CALLS):
        if call == EVENT:
            _happen(event, played, truth, offered, served)
        picks = _answered(rule, seen, served)
        right = chance.random(len(rows)) < truth[rows, picks]
        judged = chance.random(len(rows)) < share
        seen.good[rows, picks] += right & judged
        seen.bad[rows, picks] += ~right & judged
        seen.fade()
        there = np.where(offered & served, truth, 0)
        quality[:, call] = truth[rows, picks] / np.maximum(there.max(axis=1), 1e-9)
    return quality


def _happen(event: str, played: Game, truth: Floats, offered: "np.ndarray", served: "np.ndarray") -> None:
    rows = np.arange(len(truth))
    if event == "degrades":
        truth[rows, played.best] *= 0.5
    if event == "vanishes":
        served[rows, played.best] = False
    if event == "new":
        offered[rows, played.best] = True


def _answered(rule: Rule, seen: Seen, served: "np.ndarray") -> Picks:
    """Return the models that answer: where one fails, the next is called in the same turn, as the graph does."""
    rows = np.arange(len(served))
    offered = seen.offered.copy()
    picks = rule(seen)
    failed = ~served[rows, picks]
    while failed.any():
        seen.failures[rows[failed], picks[failed]] += 1
        seen.offered[rows[failed], picks[failed]] = False
        picks = np.where(failed, rule(seen), picks)
        failed = ~served[rows, picks]
    seen.offered[:] = offered
    seen.answers[rows, picks] += 1
    seen.recent_answers[rows, picks] += 1
    return picks


@dataclass(frozen=True)
class Figures:
    """Quality relative to the best model, over the calls."""

    curve: Floats

    def text(self) -> str:
        """Write the mean of all calls and of the last hundred, as percentages."""
        return f"{100 * self.curve.mean():.1f}, {100 * self.curve[-LAST:].mean():.1f}"


def measure(
    routes: Sequence[Route], rule: Rule, share: float, prior: str, event: str = "", **how: float | None
) -> Figures:
    """Play every route, and return the means."""
    curves = []
    for number, route in enumerate(routes):
        played = game(route, prior, np.random.default_rng(number))
        curves.append(play(played, rule, share, np.random.default_rng(1000 + number), event, **how).mean(axis=0))
    return Figures(np.mean(curves, axis=0))


def by_prior(routes: Sequence[Route]) -> dict[tuple[str, float], dict[str, Figures]]:
    """Measure every rule with each prior and share of verdicts."""
    cases = list(product(PRIORS, SHARES))
    return {
        case: {name: measure(routes, rule, case[1], case[0]) for name, rule in rules().items()} for case in tqdm(cases)
    }


def by_source(sources: Mapping[str, Sequence[Route]]) -> list[list[str]]:
    """Measure the score on each source alone, beside the catalog's order and the prior, also right after 100 calls."""
    rows = []
    for (name, routes), prior, share in tqdm(list(product(sources.items(), PRIORS, SHARES[:2]))):
        figures = [measure(routes, rules()[rule], share, prior) for rule in ("catalog", "prior", "score")]
        texts = [f"{each.text()} ({100 * each.curve[LAST : 2 * LAST].mean():.1f})" for each in figures]
        rows.append([name, prior, f"{100 * share:.0f} %", *texts])
    return rows


def by_event(routes: Sequence[Route]) -> list[list[str]]:
    """Measure what happens to a model in the middle, with a good prior and with verdicts that fade or do not."""
    rows = []
    for event, share, half_life in tqdm(list(product(EVENTS, SHARES[:2], (None, HALF_LIFE)))):
        figures = [measure(routes, rule, share, "good", event, half_life=half_life) for rule in rules().values()]
        fades = f"after {half_life} calls" if half_life else "never"
        rows.append([event, f"{100 * share:.0f} %", fades, *(each.text() for each in figures)])
    return rows


def draw(measured: Mapping[tuple[str, float], Mapping[str, Figures]], path: Path) -> None:
    """Draw the quality over the calls, one panel for each prior and share of verdicts."""
    figure = new_figure(11, 5.6)
    panels = figure.subplots(2, len(PRIORS), sharex=True, sharey=True)
    for axes, (share, prior) in zip(panels.flat, product(SHARES[:2], PRIORS), strict=True):
        for (name, colour), dashes in zip(SHOWN.items(), ("-", "--", ":", "-"), strict=True):
            curve = np.convolve(measured[prior, share][name].curve, np.ones(SMOOTH) / SMOOTH, "valid")
            axes.plot(100 * curve, color=colour, linestyle=dashes, label=name)
        axes.set_title(f"{prior} prior, {100 * share:.0f} % verdicts", loc="left", fontsize=9)
        quiet_axes(axes)
    panels[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.supxlabel("calls of a route", fontsize=9)
    figure.supylabel("quality, % of the best model", fontsize=9)
    figure.savefig(path, dpi=DPI)


def main(data: Path, outcomes: Path | None) -> None:
    """Measure, and write the section."""
    evidence = data / "evidence"
    names = (evidence / "livebench_2025.csv", evidence / "hf_prices_2026-07.csv")
    source = "LiveBench of 2025, both dates"
    if not names[0].exists():
        names, source = (SYNTHETIC_SCORES, SYNTHETIC_PRICES), "the synthetic tables that ship"
    routes = replay(outcomes) if outcomes else list(routes_of(read_tables(*names)))
    if outcomes:
        source = str(outcomes.name)
    measured = by_prior(routes)
    by_table = [] if outcomes else by_source(sources_of(read_tables(*names)))
    rows = [
        [prior, f"{100 * share:.0f} %", *(each.text() for each in row.values())]
        for (prior, share), row in measured.items()
    ]
    parts = [ABOUT.format(source=source, routes=len(routes)), table(["prior", "verdicts", *rules()], rows)]
    if by_table:
        parts += [ABOUT_SOURCES, table(["table", "prior", "verdicts", "catalog", "prior alone", "score"], by_table)]
    parts += [ABOUT_EVENTS, table(["event", "verdicts", "verdicts fade", *rules()], by_event(routes))]
    draw(measured, IMAGES / "outcomes.png")
    write_section(SECTION, "\n\n".join([*parts, PLOT]))


SECTION = "Verdicts: 500 calls of a route"
SHOWN = {"score": COLOURS[1], "prior": COLOURS[0], "catalog": GREY, "sampling": COLOURS[2]}
SMOOTH = 20  # calls that a point of the plot is the mean of
ABOUT = """\
Simulated on {source}: each of {routes} categories is a route, a call is good with the probability that the model's
score gives, and the prior is what the other categories say (*good*), mostly noise (*weak*), that of other models
(*shuffled*) or its mirror image (*reversed*). The catalog's order correlates with quality by 0.45. Figures are
percentages of the best model of the route: the mean of 500 calls, and that of the last hundred."""
ABOUT_SOURCES = f"""\
By table; in brackets the calls from 101 to 200. The constants of the update by verdicts were chosen on 2025-05-30 and
on tables drawn with the seed 601; 2025-11-25 was in view, the {DRAWN} tables drawn with the seed {SEED} were not."""
ABOUT_EVENTS = """\
At call 250 the best model becomes half as good (*degrades*), is served no more (*vanishes*), or is listed for the first
time (*new*); the prior is good. Verdicts fade by half in the number of calls shown, thirty days at ten calls a day."""
PLOT = "![Quality over 500 calls by prior and share of verdicts](images/outcomes.png)"
HALF_LIFE = VERDICT_HALF_LIFE.days * CALLS_A_DAY

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the folder evidence")
    parser.add_argument("--outcomes", type=Path, help="a table of outcomes to replay instead")
    arguments = parser.parse_args()
    main(arguments.data, arguments.outcomes)
