"""What experiments are written with; `Study` is where one of your own begins."""

from experiments.lib.cases import SCALE, Case, scale_of
from experiments.lib.study import Experiment, Study, main
from experiments.lib.suites import FAMILY, REFERENCES, learner_name

__all__ = ["FAMILY", "REFERENCES", "SCALE", "Case", "Experiment", "Study", "learner_name", "main", "scale_of"]
