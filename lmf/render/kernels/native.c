/* Rows of LR cells on a CPU: their windows, evaluated by cell.c at all positions or interpolated between
 * fewer (CMSR), and blended along x to lines of the image.
 */
#include "cell.c"

/* The HR column of the first position of a window, and which of its columns lie inside of the image. */
typedef struct { long start, left, right; } span;

static inline span columns(const job *j, long n) {
  long start = j->start[n % j->width], right = j->columns - start;
  return (span){start, start < 0 ? -start : 0, right < j->kx ? right : j->kx};
}

/* The line of the image, in colour o, to which row t of cell n's window belongs. */
static inline float *line_of(const job *j, long n, long o, long t) {
  long image = n / j->width / j->rows, row = n / j->width % j->rows;
  return j->out + (((image * COLOURS + o) * j->rows + row) * j->ky + t) * j->columns;
}

static inline void blend(span s, const float *restrict share, const float *restrict from, float *restrict to) {
  for (long k = s.left; k < s.right; k++) to[k] += share[k] * from[k];
}

/* Adds cell n's window, evaluated at all positions. */
static void fully(const job *j, long n, block *b) {
  grid g = {row(j->y, n), row(j->x, n), j->ky, j->kx};
  long tall = rows_of_block(&g);
  span s = columns(j, n);
  const float *share = j->share + n % j->width * j->kx;
  for (long top = 0; top < g.ky; top += tall) {
    evaluate(j, n, &g, top, tall, b);
    for (long o = 0; o < COLOURS; o++) {
      const float *from = colour(j, o, b), *end = from + b->count;
      for (float *to = line_of(j, n, o, top) + s.start; from < end; from += j->kx, to += j->columns)
        blend(s, share, from, to);
    }
  }
}

/* A window is linear between the nodes of a coarse grid. Interpolation along x and the blend along x are
 * one matrix; what it makes of a row of nodes, for all columns of the window, is a rail. Rows of the
 * window lie between two rails. */
typedef struct {
  long wide;        /* registers of kx columns */
  float *y, *x;     /* nodes */
  vec *column;      /* (wide) offsets */
  vec *share;       /* (wide) */
  vec *matrix;      /* (nodes along x, wide) */
  vec *rails;       /* (COLOURS, nodes along y, wide) */
} coarse;

/* The nodes along an axis. */
static void spread(ends of, long count, float *node) {
  for (long i = 0; i < count; i++)
    node[i] = of.first + (of.last - of.first) * i / (count > 1 ? count - 1 : 1);
}

/* Nodes per unit of offset; a single one stands for all. */
static inline float density(ends of, long count) {
  return count > 1 ? (count - 1) / (of.last - of.first) : 0;
}

/* The matrix of cell n: hats around the nodes, times shares. */
static void interpolation(const job *j, long n, const grid *g, coarse *c) {
  memcpy(c->column, row(j->x, n), j->kx * sizeof(float));
  memcpy(c->share, j->share + n % j->width * j->kx, j->kx * sizeof(float));
  float per = density(j->nodes_x, g->kx);
  for (long i = 0; i < g->kx; i++)
    for (long v = 0; v < c->wide; v++) {
      vec away = (c->column[v] - g->x[i]) * per;
      away = (vec)((bits)away & 0x7fffffff);
      c->matrix[i * c->wide + v] = c->share[v] * relu(1 - away);
    }
}

/* Rails of the rows of nodes in a block, one colour of it. */
static void along_x(const float *from, long count, long kx, const coarse *c, vec *to) {
  for (const float *end = from + count; from < end; from += kx)
    for (long v = 0; v < c->wide; v++) {
      vec sum = {0};
      for (long i = 0; i < kx; i++) sum += from[i] * c->matrix[i * c->wide + v];
      *to++ = sum;
    }
}

/* Adds all rows of cell n's window. */
static void along_y(const job *j, long n, const grid *g, const coarse *c) {
  const float *y = row(j->y, n);
  float per = density(j->nodes_y, g->ky);
  span s = columns(j, n);
  for (long t = 0; t < j->ky; t++) {
    float at = (y[t] - g->y[0]) * per;
    long low = at < 0 ? 0 : at, most = g->ky > 1 ? g->ky - 2 : 0;
    if (low > most) low = most;
    float weight = at - low;
    for (long o = 0; o < COLOURS; o++) {
      const vec *rail = c->rails + (o * g->ky + low) * c->wide;
      const float *above = (const float *)rail;
      const float *below = (const float *)(g->ky > 1 ? rail + c->wide : rail);
      float *restrict to = line_of(j, n, o, t) + s.start;
      for (long k = s.left; k < s.right; k++) to[k] += above[k] + weight * (below[k] - above[k]);
    }
  }
}

/* Adds cell n's window, evaluated at `nodes` positions per axis, where it has so many. */
static void coarsely(const job *j, long n, long nodes, block *b, coarse *c) {
  grid g = {c->y, c->x, nodes < j->ky ? nodes : j->ky, nodes < j->kx ? nodes : j->kx};
  spread(j->nodes_y, g.ky, c->y);
  spread(j->nodes_x, g.kx, c->x);
  interpolation(j, n, &g, c);
  b->of_rows = NULL; /* other nodes may have been there */
  long tall = rows_of_block(&g);
  for (long top = 0; top < g.ky; top += tall) {
    evaluate(j, n, &g, top, tall, b);
    for (long o = 0; o < COLOURS; o++)
      along_x(colour(j, o, b), b->count, g.kx, c, c->rails + (o * g.ky + top) * c->wide);
  }
  along_y(j, n, &g, c);
}

/* The next `count` registers of what is left. */
static inline vec *take(vec **rest, long count) { return (*rest += count) - count; }

/* Paints cells start to stop, which begin and end with a row; 1 without memory for a block, else 0. */
static int paint(const job *j, long start, long stop) {
  long most = 0; /* nodes per axis */
  for (long n = start; j->nodes && n < stop; n++)
    if (j->nodes[n] > most) most = j->nodes[n];
  long nx = most < j->kx ? most : j->kx, ny = most < j->ky ? most : j->ky;
  long wide = registers(j->kx), size = registers(j->kx > BLOCK ? j->kx : BLOCK);
  long all = (2 * WIDTH + 3) * size + registers(ny) + registers(nx) + (2 + nx + COLOURS * ny) * wide;
  vec *memory = aligned_alloc(sizeof(vec), all * sizeof(vec)), *rest = memory;
  if (!memory) return 1;
  memset(memory, 0, all * sizeof(vec));
  block b = {.here = take(&rest, WIDTH * size), .there = take(&rest, WIDTH * size)};
  b.y = take(&rest, size), b.x = take(&rest, size), b.line = take(&rest, size);
  coarse c = {wide, (float *)take(&rest, registers(ny)), (float *)take(&rest, registers(nx))};
  c.column = take(&rest, wide), c.share = take(&rest, wide);
  c.matrix = take(&rest, nx * wide), c.rails = take(&rest, COLOURS * ny * wide);
  for (long n = start; n < stop; n++) {
    long nodes = j->nodes ? j->nodes[n] : 0;
    if (nodes) coarsely(j, n, nodes, &b, &c);
    else fully(j, n, &b);
  }
  free(memory);
  return 0;
}

/* Paints so many rows of cells in parts, none of which shares a line of the image with another. */
int lmf_paint(const job *j, long rows, long parts, int threads) {
  int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic) reduction(| : failed)
  for (long i = 0; i < parts; i++)
    failed |= paint(j, rows * i / parts * j->width, rows * (i + 1) / parts * j->width);
  return failed;
}
