// The random numbers of torch on the CPU: from the same seed come the start values, the batches
// and the permutations of Python. Matsumoto and Nishimura, "Mersenne Twister", 1998.
const torchRandom = (seed) => {
  const SIZE = 624;
  const state = new Uint32Array(SIZE);
  let next = SIZE;
  state[0] = seed;
  for (let i = 1; i < SIZE; i++) {
    const before = state[i - 1];
    state[i] = Math.imul(1812433253, before ^ (before >>> 30)) + i;
  }

  const refill = () => {
    for (let i = 0; i < SIZE; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      state[i] = state[(i + 397) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    next = 0;
  };

  // 32 random bits
  const bits = () => {
    if (next === SIZE) refill();
    let y = state[next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };

  // As torch.rand: 24 of the 32 bits, those that a float32 holds
  const rand = () => (bits() & 0xffffff) / 16777216;

  // As tensor.uniform_(low, high): in float32, product and sum rounded once
  const uniform = (low, high) => {
    const range = Math.fround(Math.fround(high) - Math.fround(low));
    return Math.fround(rand() * range + Math.fround(low));
  };

  // As torch.randn for a multiple of 16 numbers: Box and Muller, "A Note on the Generation of
  // Random Normal Deviates", 1958. Torch's own logarithm may round the last bit otherwise
  const normal = (n) => {
    const values = Float32Array.from({ length: n }, rand);
    for (let i = 0; i < n; i++) {
      if (i & 8) continue; // eight numbers, and the eight behind them
      const radius = Math.sqrt(-2 * Math.log(1 - values[i]));
      const angle = Math.fround(Math.fround(2 * Math.PI) * values[i + 8]); // rounded as torch's
      values[i] = radius * Math.cos(angle);
      values[i + 8] = radius * Math.sin(angle);
    }
    return values;
  };

  // As torch.randperm: each place changes with itself or a later one
  const permutation = (n) => {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = 0; i < n - 1; i++) {
      const j = i + (bits() % (n - i));
      const here = order[i];
      order[i] = order[j];
      order[j] = here;
    }
    return order;
  };

  return { rand, uniform, normal, permutation };
};
