"""Where evidence comes from: Prometheus, /metrics pages, model log stores. Knows `analysis`, never a screen."""
