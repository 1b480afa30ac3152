"""Samplers: every sample once, an order from (seed, epoch) alone, equal steps on all ranks."""

import numpy as np
import pytest
import torch
from torch import distributed

from refnet import XOR, RandomSampler, SequentialSampler

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
