"""An experiment file -> many runs -> tables and a report."""

from affect.benchmark.bench import bench
from affect.benchmark.experiment import Experiment, jobs, load
from affect.benchmark.figures import Published, published

__all__ = ["Experiment", "Published", "bench", "jobs", "load", "published"]
