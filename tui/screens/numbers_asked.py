"""The numbers of the pages that answer a question of their own, in plain words."""

from __future__ import annotations

from tui.screens.number import Number

ASKED: dict[str, tuple[Number, ...]] = {
    "accuracy": (
        Number(
            "accuracy",
            "share of labelled predictions that were right, with its interval",
            "within 2 points of the baseline",
            "find the segment, then roll back or retrain",
        ),
        Number(
            "at the same scores",
            "part of the change that is concept drift; the rest is other inputs",
            "near 0",
            "concept: retrain; inputs: look upstream",
        ),
        Number(
            "labels",
            "predictions whose label is known, and their share of the rows",
            "as usual at this age",
            "other coverage: labels arrive in another way",
        ),
        Number(
            "half come in",
            "how long labels take; accuracy with all of them corrects for those to come",
            "as in the baseline",
            "slower: ask who delivers labels",
        ),
        Number(
            "scores promise",
            "accuracy that the rows without label will have if scores mean what they meant",
            "near the accuracy",
            "do not rely on it: the reason stands below",
        ),
        Number(
            "calibration error",
            "mean distance of score and share right; chance alone makes some",
            "near chance alone",
            "recalibrate",
        ),
        Number(
            "says, right",
            "mean score of a band, and how often it is right",
            "alike",
            "right below says: over-confident",
        ),
        Number("95 %", "where the share right of the band lies", "narrow", "wide: few labels in the band"),
        Number(
            "before, change",
            "share right of the band in the baseline, and the difference",
            "within the interval",
            "all bands: the world changed; one band: look at its rows",
        ),
    ),
    "versions": (
        Number("A, B", "the measure of each version, A on the mix of B", "alike", "read the verdict"),
        Number(
            "B to A", "ratio of two shares, or difference of two means", "x1, 0", "worse: hold or roll back the canary"
        ),
        Number(
            "always valid",
            "interval of it that holds however often you look",
            "includes x1 or 0",
            "wide: wait, the verdict says how long",
        ),
        Number("n A, n B", "requests of each", "hundreds of B", "few: give the canary more traffic or time"),
        Number(
            "agrees",
            "share of requests that the shadow answered as the live version did",
            "as before",
            "open the finding: its segments say where they part",
        ),
        Number("95%", "where the agreement lies", "narrow", "wide: few pairs"),
        Number(
            "before, pairs",
            "agreement in the baseline, and requests that both answered",
            "200 pairs and more",
            "few: wait",
        ),
        Number(
            "p50, p99, conf",
            "latency and confidence, live -> shadow",
            "alike on the same hardware",
            "slower: not ready to serve",
        ),
        Number(
            "moved, errors",
            "mean distance of the two scores, and errors, live -> shadow",
            "near 0; alike",
            "read records (o) where they part",
        ),
        Number(
            "who is right",
            "requests that only the shadow, and only the live version got right, and McNemar's p, valid at all looks",
            "unclear",
            "below 0.05 the better one is known",
        ),
    ),
    "split": (
        Number("n", "requests of the value", "any", "few: its percentiles jump"),
        Number("share", "share of the traffic, before and now", "as before", "other traffic: ask who sends it"),
        Number("p50, p99", "latency of the value", "as before", "the one that moved is where to look (Enter)"),
        Number(
            "before, ratio",
            "p99 in the baseline, and now over it; before: errors in the baseline",
            "about x1",
            "as above",
        ),
        Number("err%", "errors per 100 requests of the value", "as before", "as above"),
        Number(
            "labels, known",
            "labels of the value, and the share of its predictions that have one",
            "as the other values",
            "few: wait, its interval is wide",
        ),
        Number(
            "right, 95%",
            "share of the labelled predictions that equal the label, and its Wilson interval",
            "as before",
            "the value that fell is for whom the model is wrong (Enter)",
        ),
        Number(
            "change, p",
            "right now less before, in points, and the chance of it without a change",
            "p above 0.001",
            "below: it is real",
        ),
    ),
    "selection": (
        Number(
            "holds",
            "share of the selected rows that lie in the segment",
            "any",
            "near 100%: this is what they have in common",
        ),
        Number(
            "selected, outside",
            "share of the rows that are selected, in the segment and elsewhere",
            "alike",
            "the larger the gap the better the explanation",
        ),
        Number("lift", "selected over outside", "x1", "the highest first"),
        Number("of rows, n", "share and number of the window's rows in the segment", "any", "how many it concerns"),
        Number("p", "chance that such a segment shows anywhere", "listed only below 0.001", "nothing: it is real"),
    ),
    "mix": (
        Number("before, now", "share of the traffic with the value", "alike", "ask who sends the other traffic"),
        Number("moved", "now less before, in points", "a few", "the largest first"),
        Number(
            "of change",
            "what the moved share makes of the change",
            "near 0%",
            "most of it: nothing broke, traffic moved",
        ),
        Number("rate before, rate now", "rate of the value's rows", "alike", "rates moved too: look at the segments"),
        Number("n", "rows with the value", "any", "few: the rates jump"),
    ),
    "means": (
        Number("explains", "part of the moved sum that lies in the segment", "low", "Enter on the highest"),
        Number(
            "in, outside, before",
            "mean inside, of all other rows, and inside in the baseline",
            "outside: as it was",
            "outside moved too: there is more to find",
        ),
        Number("times", "mean inside over mean outside", "x1", "how far it stands out"),
        Number("of rows, n", "share and number of the rows in the segment", "any", "how many it concerns"),
        Number("p", "chance that such a segment shows anywhere", "listed only below 0.001", "nothing: it is real"),
    ),
}
