/* 3x3 convolutions of zero-padded images on a CPU by Winograd's F(4x4, 3x3) (Lavin & Gray 2016):
 *
 *   Y = A' [ sum over inputs of (G g G') * (B' d B) ] A
 *
 * d is a tile of 6x6 pixels, g a filter, Y the 4x4 pixels in the tile's middle. There are 36 products
 * for each input and output channel, and not 144. The six points of interpolation are 0, +-a, +-b and
 * infinity with a = sqrt(1/2) and b = sqrt(2): rounding costs less so than with 1 and 2.
 *
 * A pixel's channels lie side by side. A block of tiles stays in the second-level cache from its
 * pixels to its results; each of its 36 spots is a matrix product. All floats have 32 bits.
 */
#include <stdlib.h>
#include <string.h>

#define TILE 4
#define SIDE (TILE + 2)
#define SPOTS (SIDE * SIDE)
#define BLOCK 24 /* tiles: with 64 channels, 220 KB before and after the product */
#define A 0.70710678f
#define B 1.41421356f

#ifdef __AVX512F__
#define LANES 16
#define ROWS 12 /* ROWS * COLUMNS registers hold sums */
#else
#define LANES 8
#define ROWS 6
#endif
#define COLUMNS 2
#define DEPTH 64 /* inputs that lie together: tiles are so far apart, which the compiler must know */
#define LINE 64  /* bytes of a cache line */
#define WIDE (COLUMNS * LANES)

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int bits __attribute__((vector_size(4 * LANES)));

/* The channels of a pixel begin `step` floats after those of the pixel before. */
typedef struct { const float *first; long step; } pixels;

typedef struct {
  long height, width, inputs, outputs;
  pixels in;              /* (images, height, width, inputs) */
  const float *filter;    /* (SPOTS, outputs / WIDE, inputs, WIDE): G g G' */
  const float *bias;      /* (outputs) */
  long relu;
  pixels add;             /* (images, height, width, outputs), or nothing: null */
  float scale;            /* of what is added to that */
  float *out;             /* as `pixels`: (images, height, width, outputs) */
  long out_step;
} job;

/* The outputs of a product that are computed at a time; `filter` is cut into them. */
long lmf_wide(void) { return WIDE; }

static inline void to_spots(const vec d[SIDE], vec v[SIDE]) { /* B' d */
  vec even = d[4] - 2 * d[2], odd = A * (d[3] - 2 * d[1]);
  v[0] = d[0] - 2.5f * d[2] + d[4];
  v[1] = even + odd;
  v[2] = even - odd;
  even = d[4] - 0.5f * d[2], odd = B * (d[3] - 0.5f * d[1]);
  v[3] = even + odd;
  v[4] = even - odd;
  v[5] = d[1] - 2.5f * d[3] + d[5];
}

static inline void from_spots(const vec m[SIDE], vec y[TILE]) { /* A' m */
  vec even_a = m[1] + m[2], odd_a = A * (m[1] - m[2]);
  vec even_b = m[3] + m[4], odd_b = B * (m[3] - m[4]);
  y[0] = m[0] + even_a + even_b;
  y[1] = odd_a + odd_b;
  y[2] = 0.5f * even_a + 2 * even_b;
  y[3] = 0.5f * odd_a + 2 * odd_b + m[5];
}

typedef struct { long first_pixel, top, left; } place; /* of an image, and in it */

static place place_of(const job *j, long tile) {
  long across = (j->width + TILE - 1) / TILE, down = (j->height + TILE - 1) / TILE;
  long image = tile / across / down;
  return (place){image * j->height * j->width, tile / across % down * TILE, tile % across * TILE};
}

static inline long groups(const job *j) { return (j->inputs + DEPTH - 1) / DEPTH; }

/* B' d B of one tile into place `at` of every spot, (groups, BLOCK, DEPTH); outside the image is zero. */
static void gather(const job *j, place p, long at, float *spots) {
  for (long k = 0; k < j->inputs; k += LANES) {
    float *to = spots + (k / DEPTH * BLOCK + at) * DEPTH + k % DEPTH;
    vec half[SIDE][SIDE]; /* of each column */
    for (long x = 0; x < SIDE; x++) {
      vec d[SIDE];
      for (long y = 0; y < SIDE; y++) {
        long row = p.top - 1 + y, column = p.left - 1 + x;
        int inside = row >= 0 && row < j->height && column >= 0 && column < j->width;
        long pixel = p.first_pixel + row * j->width + column;
        d[y] = inside ? *(const vec *)(j->in.first + pixel * j->in.step + k) : (vec){0};
      }
      to_spots(d, half[x]);
    }
    for (long y = 0; y < SIDE; y++) {
      vec d[SIDE], v[SIDE];
      for (long x = 0; x < SIDE; x++) d[x] = half[x][y];
      to_spots(d, v);
      for (long x = 0; x < SIDE; x++)
        *(vec *)(to + (y * SIDE + x) * groups(j) * BLOCK * DEPTH) = v[x];
    }
  }
}

/* ROWS tiles of a spot, (ROWS, inputs), times (inputs, WIDE). */
static void product(const job *j, const float *in, const float *filter, float *out) {
  vec sum[ROWS][COLUMNS] = {0};
  for (long left = j->inputs; left > 0; left -= DEPTH, in += BLOCK * DEPTH)
    for (long k = 0; k < DEPTH && k < left; k++, filter += WIDE)
      for (long r = 0; r < ROWS; r++)
        for (long c = 0; c < COLUMNS; c++)
          sum[r][c] += in[r * DEPTH + k] * *(const vec *)(filter + c * LANES);
  for (long r = 0; r < ROWS; r++)
    for (long c = 0; c < COLUMNS; c++) *(vec *)(out + r * j->outputs + c * LANES) = sum[r][c];
}

/* A' sums A of one tile, and what follows the convolution. */
static void scatter(const job *j, place p, long at, const float *sums) {
  for (long o = 0; o < j->outputs; o += LANES) {
    vec half[SIDE][TILE], bias = *(const vec *)(j->bias + o);
    for (long x = 0; x < SIDE; x++) {
      vec m[SIDE];
      for (long y = 0; y < SIDE; y++)
        m[y] = *(const vec *)(sums + ((y * SIDE + x) * BLOCK + at) * j->outputs + o);
      from_spots(m, half[x]);
    }
    for (long y = 0; y < TILE && p.top + y < j->height; y++) {
      vec m[SIDE], line[TILE];
      for (long x = 0; x < SIDE; x++) m[x] = half[x][y];
      from_spots(m, line);
      for (long x = 0; x < TILE && p.left + x < j->width; x++) {
        long pixel = p.first_pixel + (p.top + y) * j->width + p.left + x;
        vec z = line[x] + bias;
        if (j->relu) z = (vec)((bits)z & ~(z < 0)); /* keeps a NaN */
        if (j->add.first) z = j->scale * z + *(const vec *)(j->add.first + pixel * j->add.step + o);
        *(vec *)(j->out + pixel * j->out_step + o) = z;
      }
    }
  }
}

/* A block of tiles, counted row by row and image by image. */
static void convolve(const job *j, long first, long count, float *spots, float *sums) {
  for (long t = 0; t < count; t++) gather(j, place_of(j, first + t), t, spots);
  for (long s = 0; s < SPOTS; s++)
    for (long o = 0; o < j->outputs; o += WIDE)
      for (long t = 0; t < count; t += ROWS)
        product(j, spots + (s * groups(j) * BLOCK + t) * DEPTH,
                j->filter + (s * j->outputs + o) * j->inputs, sums + (s * BLOCK + t) * j->outputs + o);
  for (long t = 0; t < count; t++) scatter(j, place_of(j, first + t), t, sums);
}

/* All tiles, on so many threads; 1 where one of these has no memory for a block, else 0. */
int lmf_convolve(const job *j, long tiles, int threads) {
  size_t before = SPOTS * BLOCK * DEPTH * groups(j), after = SPOTS * BLOCK * j->outputs;
  size_t size = (before + after) * sizeof(float);
  int failed = 0;
#pragma omp parallel num_threads(threads) reduction(| : failed)
  {
    float *spots = aligned_alloc(LINE, size); /* or registers would straddle lines of the cache */
    failed = !spots;
    if (spots) memset(spots, 0, size); /* tiles that the last block lacks are multiplied, too */
#pragma omp for schedule(dynamic)
    for (long first = 0; first < tiles; first += BLOCK)
      if (spots) convolve(j, first, tiles - first < BLOCK ? tiles - first : BLOCK, spots, spots + before);
    free(spots);
  }
  return failed;
}
