/* Rows of LR cells on a CPU: a basis, the modulated render MLP, its output layer, blended along x.
 *
 *   h = coef * [cos(pi z), sin(pi z)],  z = <freq, offset> + phase            LTE's basis
 *   h = ReLU((1 + scale_i) (W_i h + b_i) + shift_i),  i = 1 .. depth          LMF, Eq. 4
 *   rgb = W h + b
 *
 * LIIF's basis is linear in the offset: its first layer is a slope and, for each cell, a bias.
 * Positions of a window lie side by side. A block of them stays in the first-level cache from the
 * offset to RGB, and LANES of them at a time in registers through a layer. All floats have 32 bits.
 */
#include <stdlib.h>
#include <string.h>

#define WIDTH 16
#define COLOURS 3
#define BLOCK 128 /* positions, about: its activations before and after a layer are 16 KB */

#ifdef __AVX512F__
#define LANES 16
#define SUMS 16 /* outputs that are summed at a time, one register each */
#else
#define LANES 8
#define SUMS 8
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int bits __attribute__((vector_size(4 * LANES)));

/* A row of each cell: cell n's begins at first + n * step; a step of 0 is one row for all. */
typedef struct { const float *first; long step; } rows;

typedef struct {
  long waves;             /* whether LTE's basis, or LIIF's */
  long depth, ky, kx;
  rows y, x;              /* offsets: ky, kx */
  rows code;              /* waves: coef (WIDTH). Otherwise the first layer's bias (WIDTH) */
  rows slope;             /* waves: freq (WIDTH / 2, 2) of (y, x). Otherwise the first layer (WIDTH, 2) */
  rows phase;             /* waves: (WIDTH / 2) */
  rows scale, shift;      /* (depth, WIDTH) */
  const float *weight;    /* (depth, inputs, outputs); without waves the first is not read */
  const float *bias;      /* (depth, WIDTH) */
  const float *last, *last_bias; /* (COLOURS, WIDTH), (COLOURS) */
  long rows, width;       /* cells of an image */
  long columns;           /* HR pixels that a row of cells is blended to */
  const int *start;       /* (width) HR column of each window's first position */
  const float *share;     /* (width, kx) weight of each position in the blend */
  float *out;             /* (N / (rows * width), COLOURS, rows * ky, columns), begun with zeros */
} job;

static inline const float *row(rows of, long n) { return of.first + n * of.step; }

/* cos(pi z) to 2e-7 for |z| < 2^21. */
static inline vec cosine(vec z) {
  const float most = 12582912; /* 1.5 * 2^23: the sum's last bits are z, rounded */
  vec sum = z + most, r = z - (sum - most), r2 = r * r;
  vec p = 0.21969671f * r2 - 1.33188012f;
  p = p * r2 + 4.05841191f;
  p = p * r2 - 4.93479286f;
  p = p * r2 + 0.99999995f;
  return (vec)((bits)p ^ ((bits)sum << 31)); /* minus, where that is odd */
}

static inline vec relu(vec z) { return (vec)((bits)z & ~(z < 0)); } /* keeps a NaN */

static void waves(const job *j, long n, const vec *y, const vec *x, long blocks, vec *h) {
  const float *coef = row(j->code, n), *freq = row(j->slope, n), *phase = row(j->phase, n);
  for (long k = 0; k < WIDTH / 2; k++)
    for (long p = 0; p < blocks; p++) {
      vec z = freq[2 * k] * y[p] + freq[2 * k + 1] * x[p] + phase[k];
      h[k * blocks + p] = coef[k] * cosine(z);
      h[(k + WIDTH / 2) * blocks + p] = coef[k + WIDTH / 2] * cosine(z - 0.5f);
    }
}

static void first_of_liif(const job *j, long n, const vec *y, const vec *x, long blocks, vec *h) {
  const float *bias = row(j->code, n), *slope = row(j->slope, n);
  const float *scale = row(j->scale, n), *shift = row(j->shift, n);
  for (long o = 0; o < WIDTH; o++)
    for (long p = 0; p < blocks; p++) {
      vec sum = slope[2 * o] * y[p] + slope[2 * o + 1] * x[p] + bias[o];
      h[o * blocks + p] = relu((1 + scale[o]) * sum + shift[o]);
    }
}

static void layer(const job *j, long n, long i, long blocks, const vec *from, vec *to) {
  const float *weight = j->weight + i * WIDTH * WIDTH, *bias = j->bias + i * WIDTH;
  const float *scale = row(j->scale, n) + i * WIDTH, *shift = row(j->shift, n) + i * WIDTH;
  for (long p = 0; p < blocks; p++)
    for (long o = 0; o < WIDTH; o += SUMS) {
      vec sum[SUMS] = {0};
      for (long k = 0; k < WIDTH; k++) {
        const float *w = weight + k * WIDTH + o;
        vec h = from[k * blocks + p];
        for (long u = 0; u < SUMS; u++) sum[u] += h * w[u];
      }
      for (long u = 0; u < SUMS; u++)
        to[(o + u) * blocks + p] = relu((1 + scale[o + u]) * (sum[u] + bias[o + u]) + shift[o + u]);
    }
}

/* Add `count` positions, whole rows of cell n's window from row `top` on, to the HR columns that they
 * speak for. `line` is room for a block. */
static void output(const job *j, long n, long top, long count, const vec *h, vec *line) {
  long blocks = (count + LANES - 1) / LANES, cell = n % j->width, start = j->start[cell];
  long left = start < 0 ? -start : 0, right = j->columns - start < j->kx ? j->columns - start : j->kx;
  const float *share = j->share + cell * j->kx;
  for (long o = 0; o < COLOURS; o++) {
    for (long p = 0; p < blocks; p++) {
      vec sum = h[p] * j->last[o * WIDTH];
      for (long k = 1; k < WIDTH; k++) sum += h[k * blocks + p] * j->last[o * WIDTH + k];
      line[p] = sum + j->last_bias[o];
    }
    long line_of_image = o * j->rows * j->ky + n / j->width % j->rows * j->ky + top;
    long image = n / j->width / j->rows * COLOURS * j->rows * j->ky;
    float *to = j->out + (image + line_of_image) * j->columns + start;
    for (const float *from = (const float *)line; from < (const float *)line + count; from += j->kx) {
      for (long k = left; k < right; k++) to[k] += share[k] * from[k];
      to += j->columns;
    }
  }
}

/* Offsets of the positions in some rows of cell n's window; what fills up the block is not changed. */
static void offsets(const job *j, long n, long top, long count, float *y, float *x) {
  const float *of_row = row(j->y, n) + top, *of_column = row(j->x, n);
  for (long p = 0, c = 0; p < count; p++) {
    y[p] = *of_row;
    x[p] = of_column[c];
    if (++c == j->kx) c = 0, of_row++;
  }
}

/* Paints cells start to stop, which begin and end with a row; 1 without memory for a block, else 0. */
int lmf_paint(const job *j, long start, long stop) {
  long tall = BLOCK / j->kx < 1 ? 1 : BLOCK / j->kx; /* rows of a block */
  if (tall > j->ky) tall = j->ky;
  long most = (tall * j->kx + LANES - 1) / LANES, size = (2 * WIDTH + 3) * most * sizeof(vec);
  vec *memory = aligned_alloc(sizeof(vec), size);
  if (!memory) return 1;
  memset(memory, 0, size);
  vec *here = memory, *there = here + WIDTH * most, *y = there + WIDTH * most, *x = y + most;
  int alike = !j->y.step && !j->x.step && tall == j->ky; /* all blocks have the same offsets */
  for (long n = start; n < stop; n++)
    for (long top = 0; top < j->ky; top += tall) {
      long count = (j->ky - top < tall ? j->ky - top : tall) * j->kx;
      long blocks = (count + LANES - 1) / LANES;
      if (n == start || !alike) offsets(j, n, top, count, (float *)y, (float *)x);
      (j->waves ? waves : first_of_liif)(j, n, y, x, blocks, here);
      for (long i = !j->waves; i < j->depth; i++) {
        layer(j, n, i, blocks, here, there);
        vec *swap = here;
        here = there, there = swap;
      }
      output(j, n, top, count, here, x + most);
    }
  free(memory);
  return 0;
}
