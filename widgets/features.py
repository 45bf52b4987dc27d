"""FEATURES: the inputs of the model in focus, ranked by drift, and the distribution of the one under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from analysis.answer import FeatureRow
from analysis.answer import FeaturesPanel as FeaturesPart
from widgets.chart import HISTOGRAM_HEIGHT, HISTOGRAM_WIDTH, MIN_HEIGHT, MIN_WIDTH, Picture, histogram
from widgets.lines import Column, Line, Run, fitted, heading, layout, row
from widgets.listing import ListPanel, Room, stacked
from widgets.look import Look, Scene
from widgets.text import count, fit, percent, share

_QUIET = ("ok", "tiny", "too few")

if TYPE_CHECKING:
    from analysis.evidence import CategoryBins, NumericBins


class FeaturesPanel(ListPanel[FeaturesPart, FeatureRow]):
    """Ranked features; from a certain size on the histogram of the row under the cursor, which Enter opens and closes.

    Where there is no room for the histogram, Enter posts `Selected` as in every list.
    """

    NAME = "FEATURES"

    def __init__(self, look: Look | None = None, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(look, id=id, classes=classes)
        self._open = True
        self._picture = Picture()

    def items(self, part: FeaturesPart) -> Sequence[FeatureRow]:
        return part.rows

    def key_of(self, item: FeatureRow) -> Hashable:
        return item.feature

    def heading(self, part: FeaturesPart, scene: Scene) -> list[Run]:
        moved = sum(1 for feature in part.rows if feature.state not in _QUIET)
        out: list[Run] = [(f" {self.foreign(part.model, 40)}", "accent")] if part.model else []
        if part.rows:
            out.append((f" {moved} of {len(part.rows)} moved", "warning" if moved else "dim"))
            out.append((f"  n {count(max(feature.n for feature in part.rows))}", "dim"))
        return out

    def summary(self, part: FeaturesPart, scene: Scene) -> list[Run]:
        if not part.rows:
            return [(f"{self.foreign(part.model, 40)} no features", "")]
        first = part.rows[0]
        return [
            (f"{self.foreign(part.model, 40)} {self.foreign(first.feature)} {first.state} {share(first.shift)} ", "")
        ]

    def table(self, part: FeaturesPart, scene: Scene, width: int) -> tuple[list[Line], Callable[[FeatureRow], Line]]:
        names = max((len(self.foreign(feature.feature)) for feature in part.rows), default=7)
        words = max((len(feature.state) for feature in part.rows), default=5)
        columns = [
            Column("feature", min(max(7, names), 16), right=False, grow=2, most=max(7, names)),
            Column("state", min(max(5, words), 15), right=False),
            Column("drift", 5),
            Column("", 6, right=False, rank=4, grow=1, most=16),
            Column("null", 13, rank=2),
            Column("unseen", 6, rank=5),
            Column("direction", 14, right=False, rank=3, grow=3, most=40),
            Column("noise", 5, rank=7),
            Column("q", 5, rank=6),
        ]
        sizes = layout(columns, width)
        full, rest = ("#", ".") if self.look.ascii else ("█", "░")

        def draw(feature: FeatureRow) -> Line:
            moved = feature.state not in _QUIET
            role = "warning" if moved else "dim"
            filled = max(0, min(sizes[3], round(feature.shift * sizes[3])))
            emptied = feature.null > feature.null_baseline + 0.005
            null = f"{percent(feature.null_baseline)} -> {percent(feature.null)}" if emptied else percent(feature.null)
            values: list[Run] = [
                (self.foreign(feature.feature), "bold" if moved else ""),
                (feature.state, role),
                (share(feature.shift), role if moved else ""),
                (full * filled + rest * (sizes[3] - filled), "spark" if moved else "dim"),
                (null, "warning" if emptied else "dim"),
                (percent(feature.unseen) if feature.unseen else "", "warning" if feature.unseen > 0.01 else "dim"),
                (self.foreign(feature.direction), "" if moved else "dim"),
                (share(feature.noise), "dim"),
                ("<.001" if feature.q < 0.001 else f"{feature.q:.2f}", "dim"),
            ]
            return row(columns, sizes, values, ascii=self.look.ascii)

        return [heading(columns, sizes)], draw

    def room(self, part: FeaturesPart, width: int, height: int) -> Room:
        if not self._open or not self._fits(width, height):
            return Room(width, height)
        if width >= 130:
            left = width * 3 // 5
            return Room(left, height, width - left - 2, height, right=True)
        return stacked(len(part.rows), width, height, max(9, height // 2))

    def _fits(self, width: int, height: int) -> bool:
        return height >= 16 or (width >= 130 and height >= 8)

    def action_choose(self) -> None:
        """Open or close the histogram; without room for it, open the row."""
        if self._fits(self.size.width, self.size.height - 1):
            self._open = not self._open
            self.redraw()
        else:
            super().action_choose()

    def detail(self, part: FeaturesPart, scene: Scene, item: FeatureRow, width: int, height: int) -> list[Line]:
        block, outline = ("#", ".") if self.look.ascii else ("█", "┄")
        head: Line = (
            (f" {self.foreign(item.feature)}", "bold"),
            (f" {item.kind}  now ", "dim"),
            (block, "now"),
            (f" n {count(item.n)}  {scene.baseline} ", "dim"),
            (outline, "base"),
            (f" n {count(item.n_baseline)}", "dim"),
        )
        heads = [head, _readings(item, width)]
        size = (min(width, HISTOGRAM_WIDTH), min(height - len(heads), HISTOGRAM_HEIGHT))
        if size[0] < MIN_WIDTH or size[1] < MIN_HEIGHT:
            return heads[:height]
        from analysis.evidence import CategoryBins  # 6 ms that the first paint can do without

        if isinstance(item.bins, CategoryBins):
            return [*heads, *self._categories(item, item.bins, size[0], height - len(heads))]
        # Between 0 and 1 there is nothing where values are whole numbers and 0 has a bin of its own.
        used = (item.now > 0) | (item.baseline > 0)
        now, baseline = item.now[used], item.baseline[used]
        kept = [i for i, held in enumerate(used.tolist()) if held] + [len(used)]
        edges = [_edge_label(item.bins, i) for i in kept]
        picture = self._picture.get(
            (size, self.look.dots, item.feature),
            (item.now, item.baseline),
            lambda: histogram(now, baseline, size, edges=edges, marker=self.look.dots),
        )
        return [*heads, *picture]

    def _categories(self, item: FeatureRow, bins: CategoryBins, width: int, height: int) -> list[Line]:
        """A bar per category with its shares in numbers, the largest movers first."""
        pairs = list(zip(bins.labels, item.now.tolist(), item.baseline.tolist(), strict=False))
        pairs.sort(key=lambda pair: -abs(pair[1] - pair[2]))
        names = min(max((len(self.foreign(label, 40)) for label, _, _ in pairs), default=4), width // 3)
        room = max(1, width - names - 22)
        top = max((max(now, before) for _, now, before in pairs), default=1.0) or 1.0
        full, before_sign = ("#", "|") if self.look.ascii else ("█", "┊")
        out: list[Line] = []
        for label, now, before in pairs[:height]:
            filled, at = round(now / top * room), min(room - 1, round(before / top * room))
            bar: list[Run] = [(full * filled, "now"), (" " * (room - filled), "")]
            if at >= filled:
                bar = [(full * filled, "now"), (" " * (at - filled), ""), (before_sign, "base")]
            name = fit(self.foreign(label, 40), names, ascii=self.look.ascii)
            numbers = f" {percent(before):>6} -> {percent(now):<6}"
            drawn = fitted(bar, room)
            out.append(((f" {name} ", ""), *drawn, (numbers, "bold" if abs(now - before) > 0.02 else "dim")))
        return out


def _edge_label(bins: NumericBins, i: int) -> str:
    """Edge i on the axis: 5, or >0 behind a bin that holds 0 alone; nothing for an open end."""
    text = count(bins.shown_edge(i)).replace(".0", "")
    above = ">" if i and bins.point(i - 1) is not None else ""
    return "" if text == "--" else above + text


def _readings(item: FeatureRow, width: int) -> Line:
    """The numbers of other tools and the volume; the last ones go first where there is no room."""
    found = item.readings
    known: list[tuple[str, str]] = []
    if found is not None:
        known = [("PSI", share(found.psi)), ("JS", share(found.js))]
        known += [("KS", share(found.ks))] if found.ks is not None else []
        known += [("W/sd", share(found.wasserstein))] if found.wasserstein is not None else []
    known.append(("values/min", f"{count(item.per_minute_baseline)} -> {count(item.per_minute)}"))
    runs: list[Run] = []
    used = 0
    for name, value in known:
        used += len(name) + len(value) + 3
        if used > width:
            break
        runs += [(f" {name} ", "dim"), (f"{value} ", "")]
    return tuple(runs)
