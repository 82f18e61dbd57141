/* What an LR cell says at positions around it: a basis, the modulated render MLP, its output layer.
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
#define SUMS 8 /* outputs, for PAIR registers of positions: SUMS * PAIR registers hold sums */
#define PAIR 2
#else
#define LANES 8
#define SUMS 4
#define PAIR 2
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int bits __attribute__((vector_size(4 * LANES)));

/* A row of each cell: cell n's begins at first + n * step; a step of 0 is one row for all. */
typedef struct { const float *first; long step; } rows;

typedef struct { float first, last; } ends;

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
  const int *nodes;       /* (N) nodes per axis, 0 for none: see `coarsely`. NULL: none at all */
  ends nodes_y, nodes_x;  /* offsets of the first and the last */
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

/* relu(gain (W h) + base) for `many` registers of positions; inlined for each such number. */
static inline __attribute__((always_inline)) void some(
    long many, const float *weight, const float *gain, const float *base, long blocks, const vec *from, vec *to) {
  for (long o = 0; o < WIDTH; o += SUMS) {
    vec sum[SUMS][PAIR] = {0};
    for (long k = 0; k < WIDTH; k++)
      for (long u = 0; u < SUMS; u++)
        for (long p = 0; p < many; p++) sum[u][p] += from[k * blocks + p] * weight[k * WIDTH + o + u];
    for (long u = 0; u < SUMS; u++)
      for (long p = 0; p < many; p++)
        to[(o + u) * blocks + p] = relu(gain[o + u] * sum[u][p] + base[o + u]);
  }
}

static void layer(const job *j, long n, long i, long blocks, const vec *from, vec *to) {
  const float *weight = j->weight + i * WIDTH * WIDTH, *bias = j->bias + i * WIDTH;
  const float *scale = row(j->scale, n) + i * WIDTH, *shift = row(j->shift, n) + i * WIDTH;
  float gain[WIDTH], base[WIDTH];
  for (long o = 0; o < WIDTH; o++) gain[o] = 1 + scale[o], base[o] = gain[o] * bias[o] + shift[o];
  long p = 0;
  for (; p + PAIR <= blocks; p += PAIR) some(PAIR, weight, gain, base, blocks, from + p, to + p);
  for (; p < blocks; p++) some(1, weight, gain, base, blocks, from + p, to + p);
}

/* Where a cell is evaluated: (ky, kx) positions, the rows at y and the columns at x. */
typedef struct {
  const float *y, *x;
  long ky, kx;
} grid;

/* Some rows of a grid, evaluated together. */
typedef struct {
  long count, blocks;            /* positions, and registers of them */
  vec *here, *there;             /* activations before and after a layer: (WIDTH, blocks) */
  vec *y, *x;                    /* offsets */
  vec *line;                     /* one colour */
  const float *of_rows, *of_columns; /* what the offsets are made of: they may serve another cell */
} block;

/* Registers that hold `count` floats. */
static inline long registers(long count) { return (count + LANES - 1) / LANES; }

/* Rows of a grid that a block holds. */
static inline long rows_of_block(const grid *g) {
  long tall = BLOCK / g->kx < 1 ? 1 : BLOCK / g->kx;
  return tall < g->ky ? tall : g->ky;
}

/* Offsets of a block's positions, from row `top` on; what fills up the last register is not changed. */
static void offsets(const grid *g, long top, block *b) {
  const float *of_row = g->y + top;
  if (b->of_rows == of_row && b->of_columns == g->x) return;
  b->of_rows = of_row, b->of_columns = g->x;
  float *y = (float *)b->y, *x = (float *)b->x;
  for (long p = 0, c = 0; p < b->count; p++) {
    y[p] = *of_row;
    x[p] = g->x[c];
    if (++c == g->kx) c = 0, of_row++;
  }
}

/* Activations of cell n at `tall` rows of a grid, from row `top` on: b->here. */
static void evaluate(const job *j, long n, const grid *g, long top, long tall, block *b) {
  b->count = (g->ky - top < tall ? g->ky - top : tall) * g->kx;
  b->blocks = registers(b->count);
  offsets(g, top, b);
  (j->waves ? waves : first_of_liif)(j, n, b->y, b->x, b->blocks, b->here);
  for (long i = !j->waves; i < j->depth; i++) {
    layer(j, n, i, b->blocks, b->here, b->there);
    vec *swap = b->here;
    b->here = b->there, b->there = swap;
  }
}

/* Colour o of what was evaluated: b->line. */
static const float *colour(const job *j, long o, block *b) {
  const float *last = j->last + o * WIDTH;
  for (long p = 0; p < b->blocks; p++) {
    vec sum = b->here[p] * last[0];
    for (long k = 1; k < WIDTH; k++) sum += b->here[k * b->blocks + p] * last[k];
    b->line[p] = sum + j->last_bias[o];
  }
  return (const float *)b->line;
}
