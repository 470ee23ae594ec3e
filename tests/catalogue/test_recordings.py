import numpy as np

from spotify_gym.catalogue.recordings import first_equal_rows


def test_first_equal_rows__points_at_the_first_of_its_kind() -> None:
    features = np.array([[1, 2], [3, 4], [1, 2], [3, 4.5], [3, 4], [1, 2]], dtype=np.float32)
    assert first_equal_rows(features).tolist() == [0, 1, 0, 3, 1, 0]


def test_first_equal_rows__takes_both_zeros_for_one() -> None:
    assert first_equal_rows(np.array([[0.0], [-0.0]])).tolist() == [0, 0]
