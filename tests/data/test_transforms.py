"""Normalize and Rescale against the formula in NumPy, and their inverse."""

import numpy as np
import pytest
import torch

from refnet import Normalize, Rescale

ATOL = 1e-6  # float32 has 24 bits: numbers of size 1 are rounded by 6e-8 at each of three steps


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize(
    ("mean", "std"), [(0.5, 2.0), (72.9, 90.0), ([1.0, 2.0, 3.0], [1.0, 0.5, 4.0]), (0, [1, 2, 3])]
)
def test_normalize_is_the_formula_in_float32(dtype, mean, std):
    x = np.random.default_rng(0).integers(0, 2, (5, 3)).astype(dtype)
    got = Normalize(mean, std)(torch.from_numpy(x))
    assert got.dtype == torch.float32
    expected = (x.astype(np.float64) - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(got, expected, rtol=0, atol=ATOL)


def test_the_input_is_not_changed():
    x = torch.tensor([[1.0, 2.0]])
    scale = Normalize(1, 2)
    scale(x)
    scale.inverse(x)
    assert x.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("scale", [Normalize(3, 7), Normalize([1, 2], [3, -4]), Rescale((5, 9))])
def test_the_inverse_takes_it_back(scale):
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0)) * 4
    torch.testing.assert_close(scale.inverse(scale(x)), x, rtol=0, atol=4 * ATOL)
    torch.testing.assert_close(scale(scale.inverse(x)), x, rtol=0, atol=4 * ATOL)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-3, 3), (0, 1), (5, 2)])
def test_rescale_maps_the_ends_of_each_column_onto_low_and_high(low, high):
    size = (300, 1000)
    corners = torch.tensor([[0, 0], [299, 999], [149.5, 499.5]])
    got = Rescale(size, low, high)(corners)
    middle = (low + high) / 2
    expected = torch.tensor([[low, low], [high, high], [middle, middle]], dtype=torch.float32)
    torch.testing.assert_close(got, expected, rtol=0, atol=ATOL)


def test_rescale_of_one_size_is_for_every_column():
    assert Rescale(256)(torch.tensor([[0, 255, 51]])).tolist()[0] == pytest.approx([-1, 1, -0.6])


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_columns_come_as_any_sequence(kind):
    got = Normalize(kind([1.0, 2.0]), kind([2.0, 4.0]))(torch.tensor([[3.0, 6.0]]))
    assert got.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Normalize(0, 0), ValueError, "std other than 0, got 0. A constant column"),
        (lambda: Normalize([0, 1], [1, 0]), ValueError, "std other than 0"),
        (lambda: Normalize(0, float("nan")), ValueError, "std to be a finite number, got nan"),
        (lambda: Normalize(float("inf"), 1), ValueError, "mean to be a finite number, got inf"),
        (lambda: Normalize(0, [1, float("nan")]), ValueError, "std to be a finite number"),
        (lambda: Normalize("0", 1), TypeError, "mean to be a finite number, got '0'"),
        (lambda: Normalize(0, True), TypeError, "std to be a finite number, got True"),
        (lambda: Normalize(None, 1), TypeError, "mean to be a finite number, got None"),
        (lambda: Normalize(0, 1)([1.0]), TypeError, "Normalize: expected a tensor, got list"),
        (lambda: Normalize(0, 1)(np.ones(2)), TypeError, "expected a tensor, got ndarray. Convert"),
        (lambda: Normalize([0, 1], 1)(torch.ones(2, 3)), ValueError, r"2 columns, got .*\(2, 3\)"),
        (lambda: Normalize([0, 1], 1)(torch.tensor(1.0)), ValueError, r"got input of shape \(\)"),
        (lambda: Rescale((5, 5))(torch.ones(2, 3)), ValueError, "Rescale: expected 2 columns"),
        (lambda: Rescale(5, 1, 1), ValueError, "low other than high, got 1 twice"),
        (lambda: Rescale(5, 0, float("nan")), ValueError, "high to be a finite number, got nan"),
        (lambda: Rescale(1), ValueError, "size to be a whole number, 2 or more, got 1"),
        (lambda: Rescale((300, 1)), ValueError, "size to be a whole number, 2 or more, got 1"),
        (lambda: Rescale(2.5), TypeError, "size to be a whole number"),
        (lambda: Rescale("300"), TypeError, "size to be a whole number"),
    ],
)
def test_wrong_settings_say_expected_got_and_what_to_do(call, error, words):
    with pytest.raises(error, match=words):
        call()
