"""Samplers, scaling, and the loader: the batches that a loop over the samples would give."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch import distributed
from torch.utils.data import BatchSampler, Subset

from refnet import (
    XOR,
    ArrayDataset,
    FashionMNIST,
    Loader,
    Normalize,
    RandomSampler,
    Rescale,
    SequentialSampler,
)

RNG = np.random.default_rng(0)
PICTURES = ArrayDataset(RNG.integers(0, 256, (100, 5, 4), np.uint8), RNG.integers(0, 10, 100))


class OneByOne:
    """A data set of one's own, in the plainest form."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


def joined(loader):
    batches = list(loader)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


@pytest.mark.parametrize("batch_size", [1, 7, 64, 100, 1000])
def test_the_batches_are_those_of_a_loop_over_the_samples(batch_size):
    sampler = RandomSampler(PICTURES, batch_size, seed=1)
    loader = Loader(PICTURES, sampler, Normalize(72, 90))
    assert len(list(loader)) == len(loader) == len(sampler)
    for index, (x, y) in zip(sampler, loader, strict=True):
        expected = np.stack([PICTURES.x[i].numpy() for i in index]).astype(np.float32)
        np.testing.assert_array_equal(x, (expected - 72) / 90)
        assert y.tolist() == [int(PICTURES.y[i]) for i in index]
        assert (x.dtype, y.dtype, x.shape[1:]) == (torch.float32, torch.int64, (5, 4))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64", "bool"])
def test_without_a_transform_the_numbers_become_float32(dtype):
    data = ArrayDataset(np.array([[0, 1], [1, 1]], dtype), np.array([0, 1]))
    x, _ = next(iter(Loader(data, SequentialSampler(2, 2))))
    assert x.dtype == torch.float32
    assert x.tolist() == [[0, 1], [1, 1]]


def test_the_result_of_a_transform_is_passed_on_as_it_is():
    x, _ = next(iter(Loader(PICTURES, SequentialSampler(100, 8), lambda x: x.double().flatten(1))))
    assert (x.dtype, x.shape) == (torch.float64, (8, 20))


def test_the_epoch_is_the_samplers_and_a_pass_can_be_repeated():
    loader = Loader(PICTURES, RandomSampler(100, 10, seed=0))
    first, again = joined(loader)[1], joined(loader)[1]
    loader.set_epoch(1)
    assert torch.equal(first, again)
    assert not torch.equal(first, joined(loader)[1])
    Loader(PICTURES, SequentialSampler(100, 10)).set_epoch(1)  # it has no epochs, and no error


@pytest.mark.parametrize("kind", ["numpy", "tensors", "lists", "torch Subset"])
def test_a_data_set_of_ones_own_gives_the_same_batches(kind):
    x, y = PICTURES.x.numpy(), PICTURES.y.numpy()
    own = {
        "numpy": OneByOne(x, y),
        "tensors": OneByOne(PICTURES.x, PICTURES.y),
        "lists": OneByOne(x.tolist(), y.tolist()),
        "torch Subset": Subset(PICTURES, range(100)),
    }[kind]
    sampler = RandomSampler(own, 16, seed=4)
    for got, expected in zip(
        Loader(own, sampler, Normalize(1, 2)),
        Loader(PICTURES, sampler, Normalize(1, 2)),
        strict=True,
    ):
        assert torch.equal(got[0], expected[0])
        assert torch.equal(got[1], expected[1])
        assert got[1].dtype == torch.int64


@pytest.mark.parametrize("data", [PICTURES, OneByOne(PICTURES.x, PICTURES.y)], ids=["array", "own"])
def test_an_empty_share_has_the_shape_of_a_sample(data):
    x, y = next(iter(Loader(data, [torch.arange(0)], Normalize(1, 2))))
    assert (x.shape, y.shape) == ((0, 5, 4), (0,))
    assert (x.dtype, y.dtype) == (torch.float32, torch.int64)


def test_a_memmap_gives_the_same_batches_and_is_not_read_as_a_whole(tmp_path):
    file = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(200_000, 100))
    file[::1000] = 7
    file.flush()
    data = ArrayDataset(
        np.memmap(tmp_path / "x", np.uint8, "r", shape=file.shape), np.zeros(200_000, int)
    )
    loader = Loader(data, RandomSampler(data, 64, seed=0))
    tracemalloc.start()  # NumPy's own memory: a copy of the file would be 20 MB
    for step, (index, (x, _)) in enumerate(zip(loader.sampler, loader, strict=True)):
        np.testing.assert_array_equal(x, file[index.numpy()])
        if step == 20:
            break
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_the_batches_are_copies():
    data = ArrayDataset(np.ones((4, 2), np.float32), np.zeros(4, int))
    for x, y in Loader(data, SequentialSampler(4, 2)):
        x.zero_()
        y.add_(1)
    assert data.x.sum() == 8
    assert data.y.sum() == 0


def test_to_returns_the_loader_and_leaves_the_data_set():
    loader = Loader(XOR(), SequentialSampler(4, 4))
    assert loader.to("cpu") is loader
    assert loader.device == torch.device("cpu")
    x, y = next(iter(Loader(XOR(), SequentialSampler(4, 4), device="cpu")))
    assert (x.device.type, y.device.type) == ("cpu", "cpu")


def test_batches_come_out_on_the_device_and_the_data_moves_once():
    data = XOR()
    loader = Loader(data, SequentialSampler(4, 2)).to("meta")  # a device that every machine has
    moved = loader._arrays
    assert [part.device.type for part in moved] == ["meta", "meta"]
    assert [(x.device.type, y.device.type) for x, y in loader] == [("meta", "meta")] * 2
    loader.to("meta")
    assert loader._arrays is moved
    assert data.x.device.type == "cpu"
    own = Loader(OneByOne(data.x, data.y), SequentialSampler(4, 2)).to("meta")
    assert [x.device.type for x, _ in own] == ["meta"] * 2


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_cuda_the_batches_are_those_of_the_cpu():
    sampler = RandomSampler(PICTURES, 7)
    on_cpu = Loader(PICTURES, sampler, Normalize([1, 2, 3, 4], 3))
    for (x, y), (x2, y2) in zip(
        on_cpu, Loader(PICTURES, sampler, Normalize([1, 2, 3, 4], 3), "cuda"), strict=True
    ):
        assert x2.is_cuda
        torch.testing.assert_close(x2.cpu(), x, rtol=1e-6, atol=0)  # division may differ by an ulp
        assert torch.equal(y2.cpu(), y)


def test_a_sampler_of_another_smaller_set_is_not_taken_in_silence():
    with pytest.warns(UserWarning, match="set's 4 samples, got one of 3. Make"):
        loader = Loader(XOR(), SequentialSampler(3, 2))
    assert joined(loader)[1].tolist() == [0, 1, 1]


def test_a_part_of_a_set_is_taken_by_a_subset():
    part = Subset(PICTURES, range(10))
    assert joined(Loader(part, SequentialSampler(part, 4)))[1].tolist() == PICTURES.y[:10].tolist()


@pytest.mark.parametrize("data", [PICTURES, OneByOne(PICTURES.x, PICTURES.y)], ids=["array", "own"])
@pytest.mark.parametrize(
    "sampler",
    [
        [[0, 1], [2]],
        [np.array([0, 1]), np.array([2])],
        [(0, 1), (2,)],
        BatchSampler(range(3), 2, drop_last=False),
    ],
    ids=["lists", "NumPy", "tuples", "BatchSampler"],
)
def test_batches_of_indices_may_be_lists_and_arrays(data, sampler):
    batches = list(Loader(data, sampler))
    assert [len(y) for _, y in batches] == [2, 1]
    assert torch.equal(joined(batches)[0], PICTURES.x[:3].float())


@pytest.mark.parametrize(
    "index", [7, np.int64(7), torch.tensor(7), "word", [[0, 1]], [[0], [1, 2]]]
)
def test_a_sampler_of_single_indices_is_named(index):
    with pytest.raises(
        TypeError, match=r"^Loader: expected a sampler of batches, got .*BatchSampl"
    ):
        list(Loader(PICTURES, [index]))


def test_the_pictures_of_the_sample_come_out_normalised():
    data = FashionMNIST(train=False, sample=True)
    x, y = joined(Loader(data, SequentialSampler(data, 64), Normalize(0, 255)))
    assert x.shape == (1000, 28, 28)
    assert (float(x.min()), float(x.max())) == (0, 1)
    assert torch.equal(y, data.labels)


def memmap_with_nan(tmp_path):
    file = np.memmap(tmp_path / "nan", np.float32, "w+", shape=(4, 2))
    file[2, 1] = np.nan
    return ArrayDataset(file, np.zeros(4, int))


FOUR = SequentialSampler(4, 2)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Loader(np.float32(1), FOUR),
            TypeError,
            r"a data set with len and \[i\], got float32",
        ),
        (lambda: Loader(iter([]), FOUR), TypeError, "a data set .* For arrays write Array"),
        (lambda: Loader([], FOUR), ValueError, "one sample or more, got a data set of length 0"),
        (lambda: Loader(XOR(), 64), TypeError, "a sampler, got 64. Write RandomSampler"),
        (lambda: Loader(XOR(), SequentialSampler(5, 2)), ValueError, "a sampler .* 4 .*of 5. Make"),
        (lambda: Loader(XOR(), FOUR, 3), TypeError, "a callable transform, got 3. Pass e.g."),
        (lambda: Loader([], [torch.tensor([0])]), ValueError, "one sample or more"),
    ],
)
def test_wrong_parts_say_expected_got_and_what_to_do(make, error, words):
    with pytest.raises(error, match=f"^Loader: expected {words}"):
        make()


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:1", "meta"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(ValueError, match=f"^choose_device: expected .*, got '{device}'. ."):
        Loader(XOR(), FOUR, device=device)


@pytest.mark.parametrize(
    ("dataset", "sampler", "error", "words"),
    [
        (XOR(), [torch.tensor([0, 4])], IndexError, r"indices in 0\.\.3, got tensor\(\[0, 4\]\)"),
        (XOR(), [torch.tensor([-1])], IndexError, "Make the sampler of this data set"),
        (XOR(), [torch.tensor([0.5])], IndexError, r"indices in 0\.\.3, got tensor\(\[0.5"),
        (OneByOne([1.0, np.nan], [0, 0]), [torch.arange(2)], ValueError, "finite .* nan or inf. C"),
        (OneByOne([1.0, 2.0], [0.0, 1.0]), [torch.arange(2)], TypeError, "whole numbers as labels"),
        (OneByOne([1.0, 2.0], [True, False]), [torch.arange(2)], TypeError, "got torch.bool"),
        (OneByOne([[1.0], [2.0, 3.0]], [0, 1]), [torch.arange(2)], TypeError, "of one shape"),
        (OneByOne(["a", "b"], [0, 1]), [torch.arange(2)], TypeError, "of one shape"),
        (OneByOne([[1.0], [2.0]], [[0], [1, 2]]), [torch.arange(2)], TypeError, "one shape"),
        ([1, 2], [torch.arange(2)], TypeError, r"samples \(x, label\)"),
    ],
)
def test_a_bad_batch_says_expected_got_and_what_to_do(dataset, sampler, error, words):
    with pytest.raises(error, match=f"^Loader: expected .*{words}"):
        list(Loader(dataset, sampler))


def test_a_nan_in_a_memmap_is_found_in_its_batch(tmp_path):
    batches = iter(Loader(memmap_with_nan(tmp_path), FOUR))
    next(batches)
    with pytest.raises(ValueError, match="Loader: expected finite numbers in a batch, got nan"):
        next(batches)


# --- samplers: every sample once, an order from (seed, epoch) alone, equal steps on all ranks

SIZES = [(1, 1), (1, 64), (5, 2), (6, 3), (7, 100), (100, 7), (1000, 64)]


def flat(sampler):
    return [i for batch in sampler for i in batch.tolist()]


@pytest.mark.parametrize(("n", "batch_size"), SIZES)
def test_the_sequential_order_is_0_to_n_in_batches(n, batch_size):
    sampler = SequentialSampler(n, batch_size)
    batches = list(sampler)
    assert flat(sampler) == list(range(n))
    assert len(batches) == len(sampler) == -(-n // batch_size)
    assert {len(batch) for batch in batches[:-1]} <= {batch_size}
    assert all(batch.dtype == torch.int64 for batch in batches)


@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize(("n", "batch_size"), SIZES)
def test_the_random_order_has_every_sample_once(n, batch_size, drop_last):
    sampler = RandomSampler(n, batch_size, seed=1, drop_last=drop_last)
    indices = flat(sampler)
    kept = n - n % batch_size if drop_last and n > batch_size else n
    assert len(indices) == len(set(indices)) == kept
    assert set(indices) <= set(range(n))
    assert len(list(sampler)) == len(sampler)


def test_a_set_smaller_than_a_batch_is_one_batch():
    assert [len(b) for b in RandomSampler(4, 64, drop_last=True)] == [4]
    assert [len(b) for b in SequentialSampler(4, 64)] == [4]


def test_the_order_depends_on_seed_and_epoch_alone():
    torch.manual_seed(1)
    one = RandomSampler(1000, 64, seed=3)
    one.set_epoch(5)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = RandomSampler(1000, 100, seed=3)
    for epoch in (0, 9, 5):
        two.set_epoch(epoch)
        flat(two)
    assert flat(one) == flat(two)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_each_seed_and_each_epoch_has_its_own_order():
    orders = set()
    for seed in range(5):
        for epoch in range(5):
            sampler = RandomSampler(100, 10, seed)
            sampler.set_epoch(epoch)
            orders.add(tuple(flat(sampler)))
    assert len(orders) == 25


def test_every_place_gets_every_sample_equally_often():
    counts = np.zeros((4, 4))
    sampler = RandomSampler(4, 4)
    for epoch in range(4000):
        sampler.set_epoch(epoch)
        counts[range(4), flat(sampler)] += 1
    # 4,000 draws of probability 1/4: mean 1,000, standard deviation 27; five of them
    assert np.abs(counts - 1000).max() < 137


def test_the_size_may_be_a_data_set():
    assert SequentialSampler(XOR(), 3).n == RandomSampler(XOR(), 3).n == 4


@pytest.mark.parametrize("sampler", [SequentialSampler, RandomSampler])
@pytest.mark.parametrize(
    ("n", "batch_size", "error", "words"),
    [
        (4, 0, ValueError, "batch_size to be a whole number, 1 or more, got 0. Choose batch_size"),
        (4, -1, ValueError, "got -1"),
        (4, 1.5, TypeError, "got 1.5. Pass a plain int"),
        (4, True, TypeError, "got True"),
        (4, "8", TypeError, "got '8'"),
        (0, 8, ValueError, r"n \(the number of samples, or a data set\) .* got 0"),
        ([], 8, ValueError, "got 0"),
        (-4, 8, ValueError, "got -4"),
        (4.0, 8, TypeError, "got 4.0"),
        ("four", 8, TypeError, "got 'four'"),
    ],
)
def test_wrong_sizes_say_expected_got_and_what_to_do(sampler, n, batch_size, error, words):
    with pytest.raises(error, match=f"^{sampler.__name__}: expected .*{words}"):
        sampler(n, batch_size)


@pytest.mark.parametrize("seed", [-1, "0", 1.5, None])
def test_a_wrong_seed_or_epoch_is_refused(seed):
    with pytest.raises((ValueError, TypeError), match="RandomSampler: expected seed to be a whole"):
        RandomSampler(4, 2, seed)
    with pytest.raises((ValueError, TypeError), match=r"set_epoch: expected epoch to be a whole"):
        RandomSampler(4, 2).set_epoch(seed)


@pytest.fixture
def as_rank(monkeypatch):
    """Let the samplers see the rank and size that torch.distributed would tell them."""

    def become(rank, world):
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(distributed, "get_rank", lambda: rank)
        monkeypatch.setattr(distributed, "get_world_size", lambda: world)

    return become


@pytest.mark.parametrize("sampler", [SequentialSampler, RandomSampler])
@pytest.mark.parametrize("world", [2, 3, 7])
@pytest.mark.parametrize(("n", "batch_size"), [*SIZES, (64, 64), (65, 64), (10000, 64)])
def test_the_shares_of_the_ranks_are_together_the_batches_of_one_process(
    as_rank, world, n, batch_size, sampler
):
    alone = list(sampler(n, batch_size))
    shares = []
    for rank in range(world):
        as_rank(rank, world)
        shares.append(list(sampler(n, batch_size)))
        assert len(shares[rank]) == len(sampler(n, batch_size)) == len(alone)
    for step, batch in enumerate(alone):
        parts = [shares[rank][step] for rank in range(world)]
        assert sorted(torch.cat(parts).tolist()) == sorted(batch.tolist())
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("world", [2, 3, 7])
@pytest.mark.parametrize("n", [1, 6, 7, 100, 10000])
@pytest.mark.parametrize("batch_size", [1, 2, 64, 1000])
def test_for_evaluation_the_ranks_see_each_sample_exactly_once(as_rank, world, n, batch_size):
    seen = []
    for rank in range(world):
        as_rank(rank, world)
        sampler = SequentialSampler(n, batch_size)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        seen += flat(sampler)
    assert sorted(seen) == list(range(n))


# --- Normalize and Rescale against the formula in NumPy, and their inverse

ATOL = 1e-6  # float32 has 24 bits: numbers of size 1 are rounded by 6e-8 at each of three steps


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64", "bool"])
@pytest.mark.parametrize(
    ("mean", "std"), [(0.5, 2.0), (-72.9, 90.0), ([1.0, 2.0, 3.0], [1.0, 0.5, 4.0]), (0, [1, 2, 3])]
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


# The whole of each sentence: where, expected, got, and what to do
FEW = OneByOne(torch.zeros(3, 2), torch.tensor([0, 1, 2]))
OTHER_SHAPES = OneByOne([torch.zeros(2), torch.zeros(3)], [0, 1])
SENTENCES = {
    "arrays": (
        lambda: Loader((np.zeros((3, 2)), np.zeros(3)), SequentialSampler(3, 1)),
        "Loader: expected a data set with len and [i], got two arrays. "
        "For arrays write ArrayDataset(x, y).",
    ),
    "an array": (
        lambda: Loader(np.zeros((3, 2)), SequentialSampler(3, 1)),
        "Loader: expected a data set with len and [i], got an array of shape (3, 2). "
        "For arrays write ArrayDataset(x, y).",
    ),
    "a dict": (
        lambda: Loader({"x": 1}, SequentialSampler(1, 1)),
        "Loader: expected a data set with len and [i], got a dict. "
        "For arrays write ArrayDataset(x, y).",
    ),
    "nothing with an index": (
        lambda: Loader({1, 2}, SequentialSampler(2, 1)),
        "Loader: expected a data set with len and [i], got set. "
        "For arrays write ArrayDataset(x, y).",
    ),
    "no sample": (
        lambda: Loader([], SequentialSampler(1, 1)),
        "Loader: expected one sample or more, got a data set of length 0. "
        "Look at what the data set was made of.",
    ),
    "single indices": (
        lambda: Loader(XOR(), torch.arange(4)),
        "Loader: expected a sampler of batches, got an array of shape (4,). Write "
        "torch.as_tensor(indices).split(64); indices of a mask: mask.nonzero().flatten().",
    ),
    "a batch size": (
        lambda: Loader(XOR(), 4),
        "Loader: expected a sampler, got 4. Write RandomSampler(dataset, batch_size=64).",
    ),
    "no function": (
        lambda: Loader(XOR(), SequentialSampler(4, 4), 255),
        "Loader: expected a callable transform, got 255. Pass e.g. Normalize(0, 255).",
    ),
    "a larger sampler": (
        lambda: Loader(XOR(), SequentialSampler(5, 4)),
        "Loader: expected a sampler of the data set's 4 samples, got one of 5. "
        "Make the sampler of this data set.",
    ),
    "an index outside": (
        lambda: list(Loader(XOR(), [[4]])),
        "Loader: expected indices in 0..3, got tensor([4]) (index out of range in self). "
        "Make the sampler of this data set, or index with whole numbers from 0.",
    ),
    "items": (
        lambda: list(Loader(XOR(), [0, 1])),
        "Loader: expected a sampler of batches, got 0. For single indices use "
        "torch.utils.data.BatchSampler(sampler, 64, drop_last=False).",
    ),
    "a mask": (
        lambda: list(Loader(XOR(), [[True, False]])),
        "Loader: expected a sampler of indices, got [True, False]. "
        "Take the places of a mask: torch.as_tensor(mask).nonzero().flatten().",
    ),
    "samples of two shapes": (
        lambda: list(Loader(OTHER_SHAPES, [[0, 1]])),
        "Loader: expected samples (x, label) of one shape, got RuntimeError: stack expects each "
        "tensor to be equal size, but got [2] at entry 0 and [3] at entry 1. "
        "Let the data set's [i] return (sample, class index), all of one shape.",
    ),
    "labels of yes and no": (
        lambda: list(Loader(OneByOne(FEW.x, FEW.y > 0), [[0]])),
        "Loader: expected whole numbers as labels, got torch.bool. "
        "Return int(label) for a class, [number] for a number to learn.",
    ),
    "one-hot labels": (
        lambda: list(Loader(OneByOne(FEW.x, torch.eye(3).long()), [[0, 1]])),
        "Loader: expected one label for each sample, got (2, 3). "
        "Return one class index for each sample, of a one-hot row label.argmax().",
    ),
    "nan": (
        lambda: list(Loader(OneByOne(FEW.x * float("nan"), FEW.y), [[0]])),
        "Loader: expected finite numbers in a batch, got nan or inf. "
        "Clean the data, or make the sampler leave such samples out.",
    ),
    "another number of columns": (
        lambda: Normalize([1, 2], [3, 4])(torch.zeros(5, 3)),
        "Normalize: expected 2 columns, got input of shape (5, 3). "
        "Give one number for each column, the last dimension.",
    ),
    "channels": (
        lambda: Normalize([1, 2], [3, 4])(torch.zeros(5, 2, 8, 8)),
        "Normalize: expected 2 columns, got input of shape (5, 2, 8, 8). "
        "For one number a channel pass x.movedim(1, -1), and move the result back.",
    ),
    "an array for a tensor": (
        lambda: Rescale(5)(np.zeros(3)),
        "Rescale: expected a tensor, got ndarray. Convert it first: torch.as_tensor(x).",
    ),
    "no number": (
        lambda: Normalize([], 1),
        "Normalize: expected mean to hold a number, got []. "
        "Give one number, or one for each column, for mean.",
    ),
    "a constant column": (
        lambda: Normalize([1, 2], [3, 0]),
        "Normalize: expected std other than 0, got 0. "
        "A constant column carries nothing: leave it out, or give it std 1.",
    ),
    "no range": (
        lambda: Rescale(5, 1, 1),
        "Rescale: expected low other than high, got 1 twice. Choose two different numbers.",
    ),
    "one value": (
        lambda: Rescale(1),
        "Rescale: expected size to be a whole number, 2 or more, got 1. Choose size >= 2.",
    ),
    "no low": (
        lambda: Rescale(5, None),
        "Rescale: expected low to be a finite number, got None. Pass an int or a float for low.",
    ),
    "no high": (
        lambda: Rescale(5, 0, "1"),
        "Rescale: expected high to be a finite number, got '1'. Pass an int or a float for high.",
    ),
    "no std": (
        lambda: Normalize(0, None),
        "Normalize: expected std to be a finite number, got None. Pass an int or a float for std.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_whole_sentence(case):
    call, words = SENTENCES[case]
    with pytest.raises((TypeError, ValueError, IndexError)) as caught:
        call()
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("scale", "x", "words"),
    [
        (
            Normalize(0.5, 0.5),
            torch.tensor([0, 255]),
            "Normalize: expected inputs in the unit of mean 0.5 and std 0.5, got inputs from 0 to "
            "255. Of pixels in [0, 255] these are Normalize(127.5, 127.5).",
        ),
        (
            Normalize(0.5, 0.5),
            torch.tensor([-255, 0]),
            "Normalize: expected inputs in the unit of mean 0.5 and std 0.5, got inputs from -255 "
            "to 0. Of pixels in [0, 255] these are Normalize(127.5, 127.5).",
        ),
        (
            Normalize(72.9, 90.0),
            torch.tensor([0.0, 1.0]),
            "Normalize: expected inputs in the unit of mean 72.9 and std 90, got inputs from 0 to "
            "1. Of pixels in [0, 1] these are Normalize(0.2859, 0.3529).",
        ),
    ],
)
def test_numbers_of_the_other_unit_are_named_once_where_they_are_met(scale, x, words):
    with pytest.warns(UserWarning, match="^Normalize") as caught:
        scale(x)
    assert [str(warning.message) for warning in caught] == [words]
    assert caught[0].filename == __file__
    scale(x)  # a second warning would be an error


@pytest.mark.parametrize(
    ("scale", "x"),
    [
        (Normalize(0.5, 0.5), torch.tensor([0.0, 1.0])),
        (Normalize(0.5, 0.5), torch.tensor([-49.0, 50.0])),  # far, but not beyond 100 deviations
        (Normalize(0.5, 0.6), torch.tensor([0.0, 255.0])),  # no spread of pixels in [0, 1]
        (Normalize(1.5, 0.5), torch.tensor([0.0, 255.0])),  # no mean of such
        (Normalize(72.9, 90.0), torch.tensor([0.5, 0.5])),  # of one colour
        (Normalize(72.9, 90.0), torch.tensor([-1.0, 1.0])),
        (Normalize(72.9, 90.0), torch.tensor([0.0, 1.5])),
        (Normalize(2.0, 5.0), torch.tensor([0.0, 1.0])),  # a spread of 0.2 deviations
        (Normalize(1.0, 90.0), torch.tensor([0.0, 1.0])),
        (Normalize([0.5, 0.5], 0.5), torch.tensor([0.0, 255.0])),
        (Normalize(0.5, [0.5, 0.4]), torch.tensor([0.0, 255.0])),
        (Rescale(300), torch.tensor([-1e6, 1e6])),
    ],
)
def test_numbers_of_the_right_unit_are_not_remarked(scale, x):
    expected = (x - torch.as_tensor(scale.mean)) / torch.as_tensor(scale.std)
    torch.testing.assert_close(scale(x), expected)


def test_the_numbers_of_the_columns_follow_the_data_to_its_device():
    scale = Normalize([1, 2], [3, 4])
    assert scale(torch.zeros(5, 2, device="meta")).device.type == "meta"
    assert (scale.mean.device.type, scale.std.device.type) == ("meta", "meta")


def test_a_smaller_sampler_is_remarked_in_the_readers_line():
    with pytest.warns(UserWarning, match="^Loader") as caught:
        Loader(XOR(), SequentialSampler(3, 3))
    assert str(caught[0].message) == (
        "Loader: expected a sampler of the data set's 4 samples, got one of 3. Make the sampler of "
        "this data set. For the first 3 alone take ArrayDataset(x[:3], y[:3])."
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("data", [PICTURES, OneByOne(PICTURES.x, PICTURES.y)], ids=["array", "own"])
def test_an_empty_list_of_indices_is_an_empty_batch(data):
    sizes = [(x.shape, y.shape) for x, y in Loader(data, [[], [3]])]
    assert sizes == [((0, 5, 4), (0,)), ((1, 5, 4), (1,))]


def test_without_a_seed_the_order_is_that_of_seed_0():
    orders = [torch.cat(list(RandomSampler(100, 7, *seed))).tolist() for seed in [(), (0,), (1,)]]
    assert orders[0] == orders[1] != orders[2]


def test_a_column_of_labels_is_flattened_and_rows_of_floats_are_numbers():
    _, y = joined(Loader(OneByOne(FEW.x, FEW.y[:, None]), [[0, 2]]))
    assert (y.tolist(), y.dtype) == ([0, 2], torch.int64)
    _, y = joined(Loader(OneByOne(FEW.x, FEW.y[:, None].double()), [[0, 2]]))
    assert (y.tolist(), y.dtype) == ([[0.0], [2.0]], torch.float32)


@pytest.mark.parametrize("kind", [SequentialSampler, RandomSampler])
def test_the_samplers_say_that_they_share_out_their_batches(kind):
    assert kind(4, 2).shares_batches
