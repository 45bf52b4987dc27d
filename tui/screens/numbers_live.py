"""The numbers of the pages that every refresh fills, in plain words."""

from __future__ import annotations

from tui.screens.number import Number

LIVE: dict[str, tuple[Number, ...]] = {
    "overview": (
        Number(
            "t-10m", "when the change began", "blank where the past is too short to tell", "look what was deployed then"
        ),
        Number("r/s", "requests per second", "within 1.3 times the baseline", "ask who sends more, or what stopped"),
        Number("err%", "errors per 100 requests", "as in the baseline; below 1 for most services", "open errors (4)"),
        Number("conf", "mean confidence", "within 0.03 of the baseline", "open confidence (3)"),
        Number("drift", "the largest shift of a feature, 0 to 1", "below 0.06", "open features (5)"),
        Number("age", "seconds since the newest row or sample", "below a minute or two", "look at its source first"),
        Number(
            "explains",
            "share of the change that lies in the segment",
            "low, if nothing special",
            "Enter on the highest",
        ),
        Number(
            "lift", "bad rows inside the segment for each outside", "x1", "compare the segment's version and region"
        ),
        Number(
            "of rows",
            "share of all rows in the segment",
            "any",
            "a small segment with all of the change is the cause's place",
        ),
        Number(
            "p50, p90, p95, p99",
            "latency that half, 90, 95 and 99 in 100 requests stay below",
            "within 1.5 times the baseline",
            "open latency (2)",
        ),
        Number(
            "burn, 5m",
            "speed at which the error budget goes, over an hour and five minutes",
            "below 1: it lasts the month",
            "stop the cause or roll back",
        ),
        Number(
            "left, pages",
            "what is left of thirty days' budget, and when a rule pages",
            "above 0; nothing",
            "find out who spends it",
        ),
        Number("n", "rows behind the finding, or in the segment", "at least 200", "few: choose a longer window (+)"),
        Number(
            "in, outside, before",
            "rate inside the segment, of all other rows, and inside it in the baseline",
            "outside: as it was",
            "outside raised too: there is more to find",
        ),
        Number(
            "p",
            "chance that quiet rows show such a segment anywhere",
            "listed only below 0.001",
            "nothing: the segment is real",
        ),
    ),
    "latency": (
        Number(
            "p50",
            "half of the requests are faster",
            "within 1.25 times the baseline",
            "all are slow: load, model, hardware",
        ),
        Number(
            "p95, p99",
            "5 and 1 in 100 are slower",
            "within 1.5 times the baseline",
            "some are slow: look at the segments",
        ),
        Number("n", "requests behind the percentiles", "at least 368 for a p99", "choose a longer window (+)"),
        Number(
            "knee",
            "request rate beyond which latency climbs",
            "the load is below it",
            "beyond it: shed load or add replicas",
        ),
        Number(
            "as exported, lately",
            "percentiles that the server computed; the worst replica's",
            "within 1.5 times that replica's own past",
            "look at the replica named; export histograms",
        ),
        Number(
            "slower than",
            "share of requests above the objective's threshold, or the usual p99",
            "below what is promised; near 1% without a promise",
            "read which requests moved, then their segment",
        ),
        Number(
            "now, baseline",
            "the percentile in the window and in the reference windows",
            "alike",
            "look at ratio and at what moved",
        ),
        Number(
            "between, 95% between",
            "where the percentile lies with 95 % certainty",
            "narrow",
            "wide: few requests, or coarse buckets",
        ),
        Number(
            "ratio, ratio between",
            "now over baseline, and where that lies with 95 % certainty",
            "includes x1.0",
            "colour: chance does not explain it",
        ),
        Number(
            "promised, burn",
            "the share that may be slower, and how many times that share is",
            "below 1",
            "above 1 it breaks the objective: look who spends it",
        ),
        Number(
            "n baseline", "requests of the reference windows", "several times n", "few: choose another baseline (c)"
        ),
    ),
    "confidence": (
        Number(
            "mean",
            "mean confidence of the answers",
            "within 0.03 of the baseline",
            "lower: look for unfamiliar input in features (5)",
        ),
        Number(
            "out of 0..1",
            "share of values that are no probability; they count in nothing else here",
            "0; shown only above it",
            "ask who writes the column; read the segments",
        ),
        Number(
            "below",
            "share of answers under the threshold",
            "within 5 points of the baseline",
            "find their segment (Enter)",
        ),
        Number(
            "entropy",
            "how undecided the answers are, 0 to 1",
            "as in the baseline",
            "a rise without drift: suspect the model, not the input",
        ),
        Number(
            "shift",
            "distance of the two distributions, 0 to 1",
            "below 0.06",
            "read the words beside it: they say where rows went",
        ),
        Number("n", "answers with a confidence", "at least 200", "choose a longer window (+)"),
    ),
    "errors": (
        Number(
            "per 1k",
            "errors of the type per 1,000 requests",
            "as in the baseline",
            "NEW and rising first; read its sample message",
        ),
        Number(
            "mix", "share of the errors that are of other kinds", "below 20%", "read the kind that grew: another fault"
        ),
        Number("count", "errors in the window", "steady", "a burst is one event: look for a restart or a bad client"),
        Number("before, ratio", "per 1k in the baseline, and now over it", "about x1", "rising: read when it began"),
        Number(
            "first seen",
            "first row of the type in what was read",
            "long ago",
            "in the window: look what was deployed then",
        ),
        Number("n", "requests that the shares are of", "at least 200", "few: choose a longer window (+)"),
    ),
    "features": (
        Number(
            "drift",
            "distance from the baseline, 0 to 1, noise taken off",
            "below 0.06",
            "from 0.1 on read the direction",
        ),
        Number(
            "noise", "the distance that chance alone gives", "far below the drift", "drift near noise: too few rows"
        ),
        Number(
            "q",
            "chance of such a drift in a quiet feature, all features considered",
            "above 0.01",
            "below it the drift is real",
        ),
        Number(
            "null", "share of rows without a value", "as in the baseline", "ask the feature's pipeline what stopped"
        ),
        Number(
            "unseen",
            "share of values that the baseline never had",
            "0",
            "new: a new product or client; format: an upstream change",
        ),
        Number(
            "PSI, JS, KS, W/sd",
            "drift as other tools print it",
            "grows as rows get fewer",
            "compare with their charts; decide by drift and q",
        ),
        Number(
            "values/min",
            "rows with a value per minute",
            "as the request rate",
            "lower alone: a client stopped sending it",
        ),
        Number(
            "sent again",
            "share of rows whose request id came before in the same bucket",
            "as in the baseline",
            "look for retries without back-off, then for a second writer",
        ),
        Number(
            "n",
            "rows behind the numbers, now and in the baseline",
            "at least 200",
            "too few: choose a longer window (+)",
        ),
    ),
    "infra": (
        Number(
            "memory", "use against its limit", "steady, below nine tenths", "full in: restart or roll back before then"
        ),
        Number(
            "cpu, gpu",
            "share of the capacity in use",
            "within 15 points of the baseline, below 85 %",
            "add replicas or shed load",
        ),
        Number("queue", "requests that wait", "near 0", "growing: more arrives than is served"),
        Number("restarts, oom", "in the window", "0", "read the last log of the replica"),
        Number(
            "age",
            "of the last sample of the reading",
            "below a minute or two",
            "others go on: the replica or its exporter is gone",
        ),
        Number(
            "dependency",
            "latency and errors of calls to another service",
            "as in the baseline",
            "call its owner: the model waits for it",
        ),
        Number(
            "now, baseline",
            "mean of the last fifth of the window, and of stretches as long in the baseline",
            "alike",
            "look when it left its course",
        ),
        Number(
            "limit", "what the reading may not exceed", "far above now", "nine tenths of it: act before it is reached"
        ),
    ),
}
