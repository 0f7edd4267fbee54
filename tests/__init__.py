"""The tests: unit, contract, integration, chaos, acceptance. The servers they need are in `tests.servers`."""
