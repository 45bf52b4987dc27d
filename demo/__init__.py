"""The simulated fleet with injected faults: inference logs, /metrics pages and the truth about both."""
