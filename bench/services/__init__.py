"""The payment services of the benchmarks: one process, whose behavior the harness changes while it runs."""
