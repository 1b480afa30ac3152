// Array operations on float32 for WebAssembly SIMD, four numbers at a time. What a program of them
// computes is not known here: the lists come from tracing.py. An array of two axes lies row by row.
typedef float F __attribute__((vector_size(16), aligned(4)));
typedef int I __attribute__((vector_size(16)));

#define OUT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))
#define ALL(x) ((F){(x), (x), (x), (x)})
#define LOAD(p) (*(const F*)(p))
#define STORE(p, v) (*(F*)(p) = (v))
#define SELECT(mask, a, b) ((F)(((mask) & (I)(a)) | (~(mask) & (I)(b))))
#define NEAREST(x) ((F)__builtin_wasm_nearest_f32x4(x))
#define TO_INT(x) ((I)__builtin_wasm_trunc_saturate_s_i32x4_f32x4(x))
#define MAGNITUDE(x) ((I)(x) & 0x7fffffff)
#define SIGN(x) ((I)(x) & (int)0x80000000)

// Where the memory that the kernels themselves need ends
extern unsigned char __heap_base;
OUT(heap) unsigned heap(void) { return (unsigned)&__heap_base; }

// ---------------------------------------------------------------- products of matrices

// R rows and 4 V columns of C = A B, kept in registers
INLINE void tile(const float* A, int row, int column, const float* B, float* C, int N, int K,
                 int R, int V) {
  F sums[4][2];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) sums[r][v] = ALL(0);
  for (int k = 0; k < K; k++, A += column, B += N) {
    F b[2];
    for (int v = 0; v < V; v++) b[v] = LOAD(B + 4 * v);
    for (int r = 0; r < R; r++) {
      F a = ALL(A[r * row]);
      for (int v = 0; v < V; v++) sums[r][v] = a * b[v] + sums[r][v];
    }
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) STORE(C + r * N + 4 * v, sums[r][v]);
}

// C (M, N) = A (M, K) B (K, N); the steps of A's rows and columns say whether it is transposed
OUT(matmul) void matmul(const float* A, int row, int column, const float* B, float* C,
                        int M, int N, int K) {
  int j = 0;
  for (; j + 8 <= N; j += 8) {
    int i = 0;
    for (; i + 4 <= M; i += 4)
      tile(A + i * row, row, column, B + j, C + i * N + j, N, K, 4, 2);
    for (; i < M; i++) tile(A + i * row, row, column, B + j, C + i * N + j, N, K, 1, 2);
  }
  for (; j + 4 <= N; j += 4)
    for (int i = 0; i < M; i++) tile(A + i * row, row, column, B + j, C + i * N + j, N, K, 1, 1);
  for (; j < N; j++)
    for (int i = 0; i < M; i++) {
      float sum = 0;
      for (int k = 0; k < K; k++) sum += A[i * row + k * column] * B[k * N + j];
      C[i * N + j] = sum;
    }
}

OUT(transpose) void transpose(const float* a, float* out, int M, int N) {
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) out[j * M + i] = a[i * N + j];
}

// ---------------------------------------------------------------- two numbers into one

// What is next to 0 becomes 0: products with denormal numbers take fifty times as long
INLINE F flushed(F x) { return SELECT((F)MAGNITUDE(x) < ALL(1e-30f), ALL(0), x); }

// out[i, j] = f(a[i, j], b[i, j]); a step of 0 repeats a row or a column. Steps along a row are
// 0 or 1
#define BINARY(name, expression)                                                             \
  INLINE F of_##name(F a, F b) { return expression; }                                        \
  OUT(name) void name(const float* a, int a_row, int a_column, const float* b, int b_row,    \
                      int b_column, float* out, int M, int N) {                              \
    for (int i = 0; i < M; i++, a += a_row, b += b_row, out += N) {                          \
      int j = 0;                                                                             \
      if (a_column && b_column) {                                                            \
        for (; j + 4 <= N; j += 4) STORE(out + j, of_##name(LOAD(a + j), LOAD(b + j)));      \
      } else if (a_column) {                                                                 \
        for (; j + 4 <= N; j += 4) STORE(out + j, of_##name(LOAD(a + j), ALL(*b)));          \
      } else if (b_column) {                                                                 \
        for (; j + 4 <= N; j += 4) STORE(out + j, of_##name(ALL(*a), LOAD(b + j)));          \
      }                                                                                      \
      for (; j < N; j++) out[j] = of_##name(ALL(a[j * a_column]), ALL(b[j * b_column]))[0];  \
    }                                                                                        \
  }
BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, flushed(a * b))
BINARY(div, flushed(a / b))
BINARY(max, SELECT(b >= a, b, a))  // a nan stays one, as in NumPy
BINARY(gt, SELECT(a > b, ALL(1), ALL(0)))
BINARY(ge, SELECT(a >= b, ALL(1), ALL(0)))

// ---------------------------------------------------------------- one number into one

// The polynomials are those of Cephes (Moshier, 1992), good to about one unit in the last place
INLINE F of_exp(F x) {
  x = SELECT(x > ALL(88.f), ALL(88.f), x);
  x = SELECT(x < ALL(-87.f), ALL(-87.f), x);
  F n = NEAREST(x * ALL(1.44269504088896341f));
  x = x - n * ALL(0.693359375f) - n * ALL(-2.12194440e-4f);
  F p = ALL(1.9875691500e-4f);
  p = p * x + ALL(1.3981999507e-3f);
  p = p * x + ALL(8.3334519073e-3f);
  p = p * x + ALL(4.1665795894e-2f);
  p = p * x + ALL(1.6666665459e-1f);
  p = p * x + ALL(5.0000001201e-1f);
  return (p * x * x + x + ALL(1)) * (F)((TO_INT(n) + 127) << 23);
}

// Of numbers that are positive and not denormal
INLINE F of_log(F x) {
  I exponent = (((I)x >> 23) & 255) - 126;
  F m = (F)(((I)x & 0x007fffff) | 0x3f000000);  // in [0.5, 1)
  I small = m < ALL(0.707106781186547524f);     // -1 where it holds
  exponent += small;
  m = SELECT(small, m + m, m) - ALL(1);
  F n = __builtin_convertvector(exponent, F);
  F z = m * m;
  F p = ALL(7.0376836292e-2f);
  p = p * m - ALL(1.1514610310e-1f);
  p = p * m + ALL(1.1676998740e-1f);
  p = p * m - ALL(1.2420140846e-1f);
  p = p * m + ALL(1.4249322787e-1f);
  p = p * m - ALL(1.6668057665e-1f);
  p = p * m + ALL(2.0000714765e-1f);
  p = p * m - ALL(2.4999993993e-1f);
  p = p * m + ALL(3.3333331174e-1f);
  p = p * m * z;
  return m + (p - n * ALL(2.12194440e-4f) - z * ALL(0.5f)) + n * ALL(0.693359375f);
}

// sin(x + quarter pi / 2)
INLINE F sine(F x, int quarter) {
  F n = NEAREST(x * ALL(0.636619772367581343f));
  x = x - n * ALL(1.5703125f);
  x = x - n * ALL(4.837512969970703e-4f);
  x = x - n * ALL(7.54978995489188216e-8f);
  I turn = TO_INT(n) + quarter;
  F z = x * x;
  F s = ALL(-1.9515295891e-4f);
  s = s * z + ALL(8.3321608736e-3f);
  s = s * z - ALL(1.6666654611e-1f);
  s = s * z * x + x;
  F c = ALL(2.443315711809948e-5f);
  c = c * z - ALL(1.388731625493765e-3f);
  c = c * z + ALL(4.166664568298827e-2f);
  c = c * z * z - ALL(0.5f) * z + ALL(1);
  F y = SELECT((turn & 1) != 0, c, s);
  return (F)((I)y ^ ((turn & 2) << 30));
}

INLINE F of_tanh(F x) {
  F size = (F)MAGNITUDE(x);
  F z = x * x;
  F near = ALL(-5.70498872745e-3f);
  near = near * z + ALL(2.06390887954e-2f);
  near = near * z - ALL(5.37397155531e-2f);
  near = near * z + ALL(1.33314422036e-1f);
  near = near * z - ALL(3.33332819422e-1f);
  near = near * z * x + x;
  F far = ALL(1) - ALL(2) / (of_exp(size + size) + ALL(1));
  return SELECT(size < ALL(0.625f), near, (F)((I)far | SIGN(x)));
}

#define UNARY(name, expression)                         \
  OUT(name) void name(const float* a, float* out, int n) { \
    int j = 0;                                          \
    for (; j + 4 <= n; j += 4) {                        \
      F x = LOAD(a + j);                                \
      STORE(out + j, expression);                       \
    }                                                   \
    for (; j < n; j++) {                                \
      F x = ALL(a[j]);                                  \
      out[j] = (expression)[0];                         \
    }                                                   \
  }
UNARY(exp_, of_exp(x))
UNARY(log_, of_log(x))
UNARY(cos_, sine(x, 1))
UNARY(sin_, sine(x, 0))
UNARY(tanh_, of_tanh(x))
UNARY(sqrt_, ((F)__builtin_wasm_sqrt_f32x4(x)))
UNARY(abs_, (F)MAGNITUDE(x))
UNARY(neg_, -x)
UNARY(square_, flushed(x * x))

// ---------------------------------------------------------------- many numbers into one

// Down the columns, in blocks of 32 rows, so that rounding errors stay small
OUT(sum0) void sum0(const float* a, float* out, int M, int N) {
  for (int j = 0; j < N; j++) out[j] = 0;
  for (int i = 0; i < M; i += 32) {
    int end = i + 32 < M ? i + 32 : M;
    int j = 0;
    for (; j + 4 <= N; j += 4) {
      F sum = ALL(0);
      for (int k = i; k < end; k++) sum += LOAD(a + k * N + j);
      STORE(out + j, LOAD(out + j) + sum);
    }
    for (; j < N; j++) {
      float sum = 0;
      for (int k = i; k < end; k++) sum += a[k * N + j];
      out[j] += sum;
    }
  }
}

OUT(sum1) void sum1(const float* a, float* out, int M, int N) {
  for (int i = 0; i < M; i++, a += N) {
    float sum = 0;
    for (int j = 0; j < N; j++) sum += a[j];
    out[i] = sum;
  }
}

OUT(max1) void max1(const float* a, float* out, int M, int N) {
  for (int i = 0; i < M; i++, a += N) {
    float most = a[0];
    for (int j = 1; j < N; j++) most = a[j] > most ? a[j] : most;
    out[i] = most;
  }
}

OUT(sum) double sum(const float* a, int n) {
  double all = 0;
  for (int i = 0; i < n; i++) all += a[i];
  return all;
}

// ---------------------------------------------------------------- choosing and placing

// out[i] = a[i, chosen[i]]
OUT(pick) void pick(const float* a, const int* chosen, float* out, int M, int N) {
  for (int i = 0; i < M; i++) out[i] = a[i * N + chosen[i]];
}

// A copy of a in which a[i, chosen[i]] is value[i]
OUT(put) void put(const float* a, const int* chosen, const float* value, float* out, int M, int N) {
  for (int i = 0; i < M * N; i++) out[i] = a[i];
  for (int i = 0; i < M; i++) out[i * N + chosen[i]] = value[i];
}

// The columns of a (M, K) and, behind them, those of b (M, N)
OUT(join) void join(const float* a, const float* b, float* out, int M, int K, int N) {
  for (int i = 0; i < M; i++) {
    for (int j = 0; j < K; j++) *out++ = *a++;
    for (int j = 0; j < N; j++) *out++ = *b++;
  }
}

// Every window of h x w numbers of a (H, W), one a row
OUT(windows) void windows(const float* a, float* out, int H, int W, int h, int w) {
  for (int i = 0; i + h <= H; i++)
    for (int j = 0; j + w <= W; j++)
      for (int u = 0; u < h; u++)
        for (int v = 0; v < w; v++) *out++ = a[(i + u) * W + j + v];
}

// The compiler puts calls of these two in place of loops
void* memcpy(void* to, const void* from, unsigned long n) {
  char* t = to;
  const char* f = from;
  while (n--) *t++ = *f++;
  return to;
}
void* memset(void* to, int value, unsigned long n) {
  char* t = to;
  while (n--) *t++ = value;
  return to;
}
