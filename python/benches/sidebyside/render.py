"""Renders results as text: a table for each row, and a final table of bars and measured ratios."""

from .runner import Result, Spread


def number(value: float) -> str:
    """Formats with two or three digits: the spread of the measurements does not justify more."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    if value >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def figure(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    return f"{number(spread.median)} [{number(spread.low)} .. {number(spread.high)}]"


def verdict(ratio: Spread, bar: float) -> str:
    """Judges by the median; `narrowly` means that some block gives the opposite verdict."""
    met = ratio.median >= bar
    split = ratio.low < bar <= ratio.high
    return ("met" if met else "NOT met") + (", narrowly" if split else "")


def columns(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [
        "  "
        + "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for row in table
    ]


def row_table(result: Result) -> list[str]:
    row = result.row
    table = [["M ops/s", *(f"{n} thread{'s' if n > 1 else ''}" for n in result.threads)]]
    for contender in row.contenders:
        if contender.name in result.without:
            continue
        name = contender.name + (" (shares nothing)" if contender.name == row.ceiling else "")
        table.append([name, *(figure(result.spread(contender.name, n)) for n in result.threads)])
    for theirs in row.contenders[1:]:
        ratios = [result.ratio(row.contenders[0].name, theirs.name, n) for n in result.threads]
        if any(ratios) and theirs.name != row.ceiling and not theirs.name.startswith("ungil"):
            table.append(
                [
                    f"ungil / {theirs.name}",
                    *("-" if r is None else "x " + figure(r) for r in ratios),
                ]
            )
    lines = [f"{row.name}: {row.what}", *columns(table)]
    lines += [f"  {name}: {why}" for name, why in result.without.items()]
    return lines


def bar_table(results: list[Result], free_threaded: bool) -> list[str]:
    """Renders the bars that this run can judge, and the number of those that it cannot."""
    if not free_threaded:
        return ["Bars are not judged: they apply to the free-threaded build with the GIL off."]
    table, unjudged = [["operation", "against", "threads", "measured", "bar", ""]], 0
    for result in results:
        for bar in result.row.bars:
            name = result.row.name + ("" if bar.ours == "ungil" else bar.ours.removeprefix("ungil"))
            for n, least in bar.at.items():
                ratio = result.ratio(bar.ours, bar.theirs, n)
                if ratio is None:
                    unjudged += 1
                    continue
                table.append(
                    [
                        name,
                        bar.theirs,
                        str(n),
                        "x " + figure(ratio),
                        f"x {least:g}",
                        verdict(ratio, least),
                    ]
                )
    lines = columns(table) if len(table) > 1 else []
    if unjudged:
        lines.append(
            f"  {unjudged} more bars are not judged: their number of threads was not run, "
            "or a contender is missing."
        )
    return lines
