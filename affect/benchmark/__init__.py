"""An experiment file -> many runs -> tables and a report."""

from affect import renamed
from affect.benchmark.bench import BenchResult, bench, run_jobs, tables_of
from affect.benchmark.experiment import Experiment, jobs, load, settings_said
from affect.benchmark.figures import Published, published

__all__ = [
    "Experiment",
    "BenchResult",
    "Published",
    "bench",
    "jobs",
    "load",
    "published",
    "run_jobs",
    "settings_said",
    "tables_of",
]

__getattr__ = renamed.names(__name__, {"Made": "BenchResult"})
