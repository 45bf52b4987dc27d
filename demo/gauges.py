"""Gauges of one model's replicas at any time: functions of the time, so that past and present fit together."""

from __future__ import annotations

import numpy as np

from demo.blocks import Simulation
from demo.draws import Floats, Lanes, keys_of, normal_table, poisson
from demo.effects import ExtraTraffic, Leak, Outage, Saturated, Slow
from demo.fleet import Model
from demo.rows import minute_counts

GIB = 1_073_741_824
_SLOT_S = 15
"""Noise is drawn anew this often."""


class Gauges:
    """The gauges of `model` at the times `t` (unix seconds, [T])."""

    def __init__(self, sim: Simulation, model: Model, t: Floats) -> None:
        self._sim = sim
        self._model = model
        self._t = t
        self._after = t >= sim.onset
        counts = minute_counts(sim, model, np.floor(t / 60).astype(np.int64))
        self._load: Floats = counts / (60.0 * model.requests_per_second * sim.rate)
        self._waiting = np.zeros_like(t)
        self._slowness = np.ones_like(t)
        self._leaks: dict[int, Floats] = {}
        for _, effect in sim.effects_on(model):
            if isinstance(effect, ExtraTraffic):
                self._load = self._load * np.where(self._after, 1 + effect.factor, 1.0)
            elif isinstance(effect, Saturated):
                self._waiting = np.where(self._after, effect.depth * (1 - np.exp(-(t - sim.onset).clip(0) / 120)), 0.0)
            elif isinstance(effect, Slow) and not effect.segment:
                self._slowness = self._slowness * np.where(self._after, effect.factor, 1.0)
            elif isinstance(effect, Outage):
                slower = 1 + effect.share * effect.add_ms / model.latency_ms
                self._slowness = self._slowness * np.where(self._after, slower, 1.0)
            elif isinstance(effect, Leak):
                self._leaks[effect.replica] = np.where(self._after, (t - sim.onset) / effect.seconds, 0.0)

    def _lanes(self, replica: int) -> Lanes:
        salt = 16 * self._sim.fleet.models.index(self._model) + 8
        slots = np.floor(self._t / _SLOT_S).astype(np.int64)
        return Lanes(keys_of(self._sim.seed, salt, slots * 16 + replica))

    def in_flight(self, replica: int) -> Floats:
        """Requests admitted and not answered."""
        mean = self._model.in_flight * self._load * self._slowness + self._waiting / self._model.replicas
        return poisson(mean, self._lanes(replica)(0)).astype(np.float64)

    def queue_depth(self) -> Floats:
        """Requests that wait, of all replicas."""
        return poisson(0.5 * self._load + self._waiting, self._lanes(15)(0)).astype(np.float64)

    def cpu(self, replica: int) -> Floats:
        """Share of the CPU in use."""
        per_replica = self._load * self._model.requests_per_second / self._model.replicas
        noise = 1 + 0.04 * normal_table()[self._lanes(replica)(1)]
        return np.asarray(np.clip(per_replica / self._model.requests_per_core * noise, 0.01, 0.99))

    def gpu(self, replica: int) -> Floats:
        """Share of the GPU in use."""
        return np.asarray(np.clip(self.cpu(replica) * self._model.gpu_share, 0.0, 0.98))

    def memory(self, replica: int) -> Floats:
        """Bytes: a saw tooth of garbage collection, noise, and a leak if the replica has one."""
        phase = (self._t / (540 + 40 * replica) + 0.37 * replica) % 1.0
        noise = 0.004 * normal_table()[self._lanes(replica)(2)]
        usual = self._model.memory_gib * (1 + 0.05 * phase + noise)
        if replica in self._leaks:
            usual = usual + (self._model.memory_limit_gib - usual) * (self._leaks[replica] % 1.0)
        return np.asarray(np.floor(np.minimum(usual, self._model.memory_limit_gib) * GIB))

    def restarts(self, replica: int) -> Floats:
        """How often the replica was killed at its limit."""
        return np.floor(self._leaks[replica]) if replica in self._leaks else np.zeros_like(self._t)
