import numpy as np
from motionpipe.jobs.report_figures import labelled_rates


def test_labels_of_rates_do_not_meet():
    assert labelled_rates(np.array([1e-3, 1e-3, 1e-4, 1e-5])) == [1e-5, 1e-4, 1e-3]
    assert labelled_rates(np.array([3e-6, 2.9e-3, 2e-3, 8e-4])) == [3e-6, 8e-4, 2.9e-3]
    assert labelled_rates(np.linspace(1e-5, 1e-3, 50)) == [1e-5, 1e-3]
    assert labelled_rates(np.array([0.1, 0.1])) == [0.1]
