"""The readings of other tools, equal to what those tools print on the same bins."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import pytest

from analysis.answer import Readings
from analysis.distances import hellinger
from analysis.evidence import OTHER, UNSEEN, CategoryBins, NumericBins
from analysis.readings import readings, zero_filled_psi
from tests.vectors import vector

if TYPE_CHECKING:
    from analysis.evidence import Floats

REFERENCE = np.array([NormalDist().inv_cdf((i + 0.5) / 2_000) for i in range(2_000)])
CURRENT = np.array([0.3 + 1.1 * NormalDist().inv_cdf((i + 0.5) / 500) for i in range(500)])


def counted(edges: Floats) -> tuple[Floats, Floats, NumericBins]:
    """The live and the reference sample between edges, with what lies beyond in open outer bins."""
    bins = NumericBins((-math.inf, *edges.tolist(), math.inf))
    live, base = (np.histogram(sample, np.array(bins.edges))[0].astype(float) for sample in (CURRENT, REFERENCE))
    return live, base, bins


def read(edges: Floats) -> Readings:
    live, base, bins = counted(edges)
    found = readings(live, base, bins, mean=float(CURRENT.mean()), mean_baseline=float(REFERENCE.mean()))
    assert found is not None
    return found


def test_numeric_readings_are_those_of_evidently_on_its_bins() -> None:
    _, expected = vector("evidently.numeric")
    edges = np.histogram_bin_edges(np.concatenate([REFERENCE, CURRENT]), "sturges")
    # numpy counts a value on the last edge in the last bin.
    edges[-1] = math.nextafter(float(edges[-1]), math.inf)
    found, (live, base, _) = read(edges), counted(edges)
    # The open outer bins are empty on both sides; Evidently has no such bins.
    assert live[0] == live[-1] == base[0] == base[-1] == 0
    assert zero_filled_psi(live[1:-1], base[1:-1]) == pytest.approx(expected["psi"], abs=1e-9)
    assert found.psi == pytest.approx(expected["psi"], abs=1e-9)
    assert found.js * math.sqrt(math.log(2)) == pytest.approx(expected["jensenshannon"], abs=1e-9)
    assert float(hellinger(live, base)) == pytest.approx(expected["hellinger"], abs=1e-9)


def test_numeric_readings_are_those_of_nannyml_on_its_bins() -> None:
    _, expected = vector("nannyml.univariate_continuous")
    edges = np.histogram_bin_edges(REFERENCE, "doane")
    edges[-1] = math.nextafter(float(edges[-1]), math.inf)
    live, base, bins = counted(edges)
    # NannyML has one bin for all that lies outside the reference.
    live[-1], base[-1] = live[0] + live[-1], base[0] + base[-1]
    live[0] = base[0] = 0
    found = readings(live, base, bins)
    assert found is not None
    assert found.js == pytest.approx(expected["jensen_shannon"], abs=1e-9)
    assert float(hellinger(live, base)) == pytest.approx(expected["hellinger"], abs=1e-9)


def test_with_an_edge_at_every_value_they_are_the_exact_distances_of_the_samples() -> None:
    _, nannyml = vector("nannyml.univariate_continuous")
    _, evidently = vector("evidently.numeric")
    found = read(np.unique(np.concatenate([REFERENCE, CURRENT])))
    assert found.ks == pytest.approx(nannyml["kolmogorov_smirnov"], abs=1e-12)
    # Values are spread evenly between neighbours here and stand on points there.
    assert found.wasserstein == pytest.approx(evidently["wasserstein"], rel=0.01)


def test_categorical_readings_are_those_of_both_tools() -> None:
    i, evidently = vector("evidently.categorical")
    _, nannyml = vector("nannyml.univariate_categorical")
    base = np.array([*i["reference"].values(), 0.0, 0.0])
    live = np.array([i["current"]["a"], i["current"]["b"], i["current"]["c"], 0.0, i["current"]["d"]])
    found = readings(live, base, CategoryBins(("a", "b", "c", OTHER, UNSEEN)))
    assert found is not None
    assert found.psi == pytest.approx(evidently["psi"], abs=1e-9)
    assert found.js == pytest.approx(nannyml["jensen_shannon"], abs=1e-9)
    assert found.js * math.sqrt(math.log(2)) == pytest.approx(evidently["jensenshannon"], abs=1e-9)
    assert found.ks is None
    assert found.wasserstein is None


def test_a_changed_unit_is_as_far_as_the_means_moved() -> None:
    """Nearly all values lie beyond the outermost edge; the bins alone would say two deviations."""
    edges = np.linspace(-2, 2, 21)
    live, base, bins = counted(edges)
    gone = np.zeros_like(live)
    gone[-1] = live.sum()
    found = readings(gone, base, bins, mean=1_000.0, mean_baseline=0.0)
    assert found is not None
    assert found.wasserstein == pytest.approx(1_000, rel=0.1)


def test_without_rows_there_is_no_reading_and_no_zero() -> None:
    bins = NumericBins((-math.inf, 0.0, 1.0, math.inf))
    assert readings(np.zeros(3), np.ones(3), bins) is None
    assert readings(np.ones(3), np.zeros(3), bins) is None


def test_absurd_edges_give_no_distance_rather_than_a_wrong_one() -> None:
    bins = NumericBins((-math.inf, -1.7e308, 0.0, 1.7e308, math.inf))
    found = readings(np.array([0.0, 2, 8, 0]), np.array([0.0, 5, 5, 0]), bins)
    assert found is not None
    assert found.wasserstein is None
    assert found.ks == pytest.approx(0.3)
