"""An experiment file -> many runs -> tables and a report."""

from affect.benchmark.bench import Made, bench, run_jobs, tables_of
from affect.benchmark.experiment import Experiment, jobs, load
from affect.benchmark.figures import Published, published

__all__ = [
    "Experiment",
    "Made",
    "Published",
    "bench",
    "jobs",
    "load",
    "published",
    "run_jobs",
    "tables_of",
]
