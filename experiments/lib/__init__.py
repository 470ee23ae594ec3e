"""Library of the experiments; to write your own, derive it from `Study`."""

from experiments.lib.cases import SCALE, Case, scale_of
from experiments.lib.study import Experiment, Study, main
from experiments.lib.suites import FAMILY, REFERENCES, learner_name

__all__ = ["FAMILY", "REFERENCES", "SCALE", "Case", "Experiment", "Study", "learner_name", "main", "scale_of"]
