// Trains many small multilayer perceptrons at once, one to a block, all steps of a segment in one launch.
//
// Every sum runs in the CPU executor's order (over k from the first, one fused multiply-add each; over rows from the
// first), and nothing else is fused (--fmad=false): the numbers are the CPU's, bit for bit. What a rule, an activation or
// a loss computes stands in toolkit/src; here it stands once more, in the same order.
//
// The text is compiled for one shape: the host defines before it
//   THREADS, BLOCKS   threads of a block, and blocks that one multiprocessor should hold at least
//   BATCH, INPUTS     rows of the largest batch, numbers of an example
//   COLUMNS           columns of each dense layer, as a list
//   PIECES            columns that make one unit of each: 1, or those of maxout
//   NORMS             whether a batch norm stands behind each
//   RULE              the update rule
//   PENALIZED         whether any of the networks has L1, L2 or decay
//   WEIGHTS_SHARED    whether the weights lie in shared memory, or in global memory for want of room
//   SPARE             whether shared memory has room for the gradient by one layer's values beside these
enum Rule { SGD, MOMENTUM, NESTEROV, ADAM };
enum Activation { IDENTITY, RELU, LEAKY_RELU, TANH, SIGMOID, GELU, MAXOUT };
enum Loss { CLASSES, SHARES, VALUES, VALUES_OF_CLASSES };
enum Ending { RUNNING, COMPLETED, STOPPED_EARLY, LOSS_DIVERGED, CHECK_DIVERGED };

constexpr int columns[] = {COLUMNS};
constexpr int pieces[] = {PIECES};
constexpr bool norms[] = {NORMS};
constexpr int LAYERS = sizeof(columns) / sizeof(int);
constexpr int STATES = RULE == SGD ? 0 : RULE == ADAM ? 2 : 1;
// Sums over rows are 32 sums of every 32nd row, then a tree of those.
constexpr int SUMS = 32;
// Rows of the held-out part whose mean loss is rounded to f32 at once.
constexpr int WATCH_ROWS = 256;
// Parameters of this size are no sign of divergence, but worth a look at what comes out.
constexpr float SUSPECT = 1e4f;

constexpr int units(int layer) { return layer == 0 ? INPUTS : columns[layer - 1] / pieces[layer - 1]; }
constexpr int fours(int n) { return (n + 3) / 4; }
// Rows of matrices in shared memory start 4 banks apart: eight threads that read down a column never collide.
constexpr int pitch(int n) { return fours(n) * 4 + (fours(n) % 8 == 0 ? 4 : 0); }
// Rows of a tile of four columns: as many as leave three quarters of the threads a tile.
constexpr int tile_rows(int rows, int columns) {
    int n = 16;
    while (n > 1 && (rows + n - 1) / n * fours(columns) * 4 < THREADS * 3) n /= 2;
    return n;
}
// How a matrix is cut into tiles. Two neighbouring threads have the same four columns of two groups of rows: shared memory
// serves pairs that read the same 16 bytes at twice the rate.
template <int ROWS, int WIDTH> struct Cut {
    static constexpr int HEIGHT = tile_rows(ROWS, WIDTH), GROUPS = (ROWS + HEIGHT - 1) / HEIGHT, FOURS = fours(WIDTH);
    static constexpr int PAIR = GROUPS % 2 == 0 ? 2 : 1;
    static constexpr int TILES = GROUPS * FOURS;
    // Whether the last group has rows that are not there.
    static constexpr bool RAGGED = ROWS % HEIGHT != 0;
    INLINE int group(int tile) { return tile / (PAIR * FOURS) * PAIR + tile % PAIR; }
    INLINE int four(int tile) { return tile / PAIR % FOURS; }
};

// Places in shared memory, in floats. Value 0 is the input, value l what layer l - 1 puts out; a layer whose pieces make
// units has its columns before it.
constexpr int dense_floats(int layer) { return pieces[layer] > 1 ? BATCH * pitch(columns[layer]) : 0; }
constexpr int value_at(int value) {
    int n = 0;
    for (int v = 0; v < value; v++) n += BATCH * pitch(units(v)) + dense_floats(v);
    return n;
}
constexpr int dense_at(int layer) { return pieces[layer] > 1 ? value_at(layer) + BATCH * pitch(units(layer)) : value_at(layer + 1); }
constexpr int SPARE_AT = value_at(LAYERS) + BATCH * pitch(units(LAYERS));
constexpr int widest_pitch() {
    int n = 0;
    for (int l = 1; l < LAYERS; l++) n = pitch(units(l)) > n ? pitch(units(l)) : n;
    return n;
}
constexpr int VALUES_END = SPARE_AT + (SPARE ? BATCH * widest_pitch() : 0);
// The gradient by a value is computed while the value itself is still needed: it goes to the spare room, or to the value
// behind, whose own gradient was in the spare room and which nobody needs any more. Where it does not fit there, it goes
// aside, to global memory, and comes back over the value.
constexpr int gradient_at(int value);
constexpr bool goes_aside(int value) {
    return !SPARE || (gradient_at(value + 1) == SPARE_AT && pitch(units(value)) > pitch(units(value + 1)));
}
constexpr int gradient_at(int value) {
    if (value == LAYERS || goes_aside(value)) return value_at(value);
    return gradient_at(value + 1) == SPARE_AT ? value_at(value + 1) : SPARE_AT;
}
// Of what a layer's product puts out.
constexpr int dense_gradient_at(int layer) { return pieces[layer] > 1 ? dense_at(layer) : gradient_at(layer + 1); }

// A network's numbers, in floats: of each layer the weights, rows apart by a pitch, the biases, then of its norm the
// scales, shifts, running means and running variances; all begin at multiples of four.
constexpr int vector(int layer) { return fours(columns[layer]) * 4; }
constexpr int number_at(int layer) {
    int n = 0;
    for (int l = 0; l < layer; l++) n += units(l) * pitch(columns[l]) + vector(l) * (norms[l] ? 5 : 1);
    return n;
}
constexpr int bias_at(int layer) { return number_at(layer) + units(layer) * pitch(columns[layer]); }
constexpr int norm_at(int layer) { return bias_at(layer) + vector(layer); }
constexpr int NUMBERS = number_at(LAYERS);

// What the way back needs of the way there, in global memory: normal numbers and 1 / sd of a norm, slopes of an activation.
constexpr int normal_floats(int layer) { return norms[layer] ? BATCH * columns[layer] + columns[layer] : 0; }
constexpr int saved_at(int layer) {
    int n = 0;
    for (int l = 0; l < layer; l++) n += normal_floats(l) + BATCH * units(l + 1);
    return n;
}
constexpr int widest() {
    int n = 0;
    for (int l = 1; l < LAYERS; l++) n = units(l) > n ? units(l) : n;
    return n;
}
// Then the gradient by what a layer reads, where registers are too few for it.
constexpr int ONWARD_AT = saved_at(LAYERS);
constexpr int SAVED = (ONWARD_AT + BATCH * widest() + 3) / 4 * 4;

constexpr int ROWS_AT = VALUES_END + (WEIGHTS_SHARED ? NUMBERS : 0);

struct Layer {
    unsigned activation;
    float slope;                // of a leaky ReLU
    unsigned drops, threshold;  // whether a dropout stands behind it, and which numbers it takes
    float keep;
    unsigned frozen, norm_frozen, bias;
    float momentum, epsilon;    // of its norm
};

struct Settings {
    double max_norm;            // 0 for none
    float a, b, c, epsilon;     // of the rule: momentum, or 1 - beta1, beta2 and 1 - beta2
    float l1, l2;
    unsigned loss, watched, patience, total, check_every;
    // Which net it is, and where its own begin in the arrays of all; weights begin nowhere where all rows count alike.
    unsigned place, data, order, batches, keys, paces, losses, checks, weights, watch_order, watch_weights, watch_rows;
    Layer layers[LAYERS];
};
constexpr unsigned NOWHERE = 0xFFFFFFFFu;

struct Pace {
    float rate, scale, spread, keep;
};

struct Check {
    double loss;
    unsigned step, correct, broken, outputs_finite;
};

struct Progress {
    double kept_loss;
    unsigned step, checks, ending, stale, kept_step, outputs_finite;
};

// A dataset's arrays.
struct Data {
    const float *features;
    const unsigned *labels;
    const float *targets;
};

struct Segment {
    const Settings *nets;
    const Data *data;           // two for each set: to learn from, to watch
    const unsigned *order;      // rows of the batches, one after another
    const unsigned *batches;    // where each begins in it
    const unsigned *keys;       // two words for each dropout layer and step
    const Pace *paces;
    const float *weights;       // of rows; 1 where all count alike
    const unsigned *watch_order;
    const float *watch_weights;
    float *numbers, *states, *kept, *saved, *losses;
    Check *checks;
    Progress *progress;
    unsigned *next;             // the next net that a block may take
    unsigned count, steps;
};

INLINE unsigned mix(unsigned x) {
    x ^= x >> 16;
    x *= 0x9E3779B1u;
    x ^= x >> 15;
    x *= 0x85EBCA77u;
    return x ^ (x >> 16);
}

// 0 or 1 / (1 - p): what becomes of the number at this place, by the step's key.
INLINE float fate(const Layer &layer, const unsigned *key, unsigned place) {
    return mix(mix(place ^ key[0]) + key[1]) < layer.threshold ? 0.0f : layer.keep;
}

INLINE float infinite() { return __uint_as_float(0x7F800000u); }

INLINE bool finite(float x) { return (__float_as_uint(x) & 0x7F800000u) != 0x7F800000u; }

INLINE float sign(float x) { return (float)((x > 0.0f) - (x < 0.0f)); }

INLINE int at_most(int x, int most) { return x < most ? x : most; }

// A parameter after an update; `first` and `second` are what the rule remembers of it.
template <bool PENALTIES> INLINE float updated(const Settings &net, const Pace &pace, float p, float g, float l1, float l2, float keep, float &first, float &second) {
    if (PENALTIES) {
        p = p * keep;
        g = g + l2 * p;
        g = g + l1 * sign(p);
    }
    if (RULE == SGD) return p - pace.rate * g;
    if (RULE == MOMENTUM) {
        first = net.a * first + g;
        return p - pace.rate * first;
    }
    if (RULE == NESTEROV) {
        first = net.a * first + g;
        return p - pace.rate * (g + net.a * first);
    }
    first = first + net.a * (g - first);
    second = net.b * second + net.c * g * g;
    return p - pace.scale * first / (sqrtf(second) * pace.spread + net.epsilon);
}

// The same for one number of a bias, scale or shift, which penalties leave alone.
INLINE void update_one(const Settings &net, const Pace &pace, float *p, float *states, int at, float g, float first, float second) {
    p[at] = updated<true>(net, pace, p[at], g, 0.0f, 0.0f, 1.0f, first, second);
    if (STATES > 0) states[at] = first;
    if (STATES > 1) states[NUMBERS + at] = second;
}
INLINE void update_one(const Settings &net, const Pace &pace, float *p, float *states, int at, float g) {
    update_one(net, pace, p, states, at, g, STATES > 0 ? states[at] : 0.0f, STATES > 1 ? states[NUMBERS + at] : 0.0f);
}

// y = x w + b, then the ReLU if asked: sums over k from b on. A tile has the rows group, group + GROUPS, ..
template <int L> INLINE void forward(float *s, const float *p, int rows, bool relu) {
    constexpr int IN = units(L), OUT = columns[L], XP = pitch(IN), WP = pitch(OUT), YP = pitch(OUT);
    typedef Cut<BATCH, OUT> C;
    constexpr int TM = C::HEIGHT;
    const float *w = p + number_at(L), *b = p + bias_at(L);
#pragma unroll 1
    for (int tile = thread(); tile < C::TILES; tile += THREADS) {
        int row = C::group(tile), column = C::four(tile) * 4;
        if (row >= rows) continue;
        const float *x = s + value_at(L) + row * XP;
        float sum[TM][4];
        float4 start = *(const float4 *)(b + column);
#pragma unroll
        for (int i = 0; i < TM; i++) {
            sum[i][0] = start.x;
            sum[i][1] = start.y;
            sum[i][2] = start.z;
            sum[i][3] = start.w;
        }
        // Of rows that are not there, the last one that is.
        auto next = [&](int i) { return C::RAGGED ? at_most(i * C::GROUPS, BATCH - 1 - row) : i * C::GROUPS; };
#pragma unroll (TM >= 4 ? 2 : 4)
        for (int k = 0; k < IN / 4 * 4; k += 4) {
            float4 a[TM], c[4];
#pragma unroll
            for (int i = 0; i < TM; i++) a[i] = *(const float4 *)(x + next(i) * XP + k);
#pragma unroll
            for (int j = 0; j < 4; j++) c[j] = *(const float4 *)(w + (k + j) * WP + column);
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int i = 0; i < TM; i++) {
                    float f = j == 0 ? a[i].x : j == 1 ? a[i].y : j == 2 ? a[i].z : a[i].w;
                    sum[i][0] = fmaf(f, c[j].x, sum[i][0]);
                    sum[i][1] = fmaf(f, c[j].y, sum[i][1]);
                    sum[i][2] = fmaf(f, c[j].z, sum[i][2]);
                    sum[i][3] = fmaf(f, c[j].w, sum[i][3]);
                }
        }
        for (int k = IN / 4 * 4; k < IN; k++) {
            float4 c = *(const float4 *)(w + k * WP + column);
#pragma unroll
            for (int i = 0; i < TM; i++) {
                float f = x[next(i) * XP + k];
                sum[i][0] = fmaf(f, c.x, sum[i][0]);
                sum[i][1] = fmaf(f, c.y, sum[i][1]);
                sum[i][2] = fmaf(f, c.z, sum[i][2]);
                sum[i][3] = fmaf(f, c.w, sum[i][3]);
            }
        }
#pragma unroll
        for (int i = 0; i < TM; i++) {
            if (C::RAGGED && row + i * C::GROUPS >= BATCH) continue;
            if (relu)
#pragma unroll
                for (int j = 0; j < 4; j++) sum[i][j] = sum[i][j] < 0.0f ? 0.0f : sum[i][j];
            *(float4 *)(s + dense_at(L) + (row + i * C::GROUPS) * YP + column) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
        }
    }
}

// Sums of a column as the CPU adds them: 32 rows in f32, several rows side by side where they are short, then f64.
template <int WIDTH, class T> INLINE double column_sum(int rows, T term) {
    constexpr int SIDE = (64 + WIDTH - 1) / WIDTH;
    double total = 0.0;
    for (int first = 0; first < rows; first += 32 * SIDE)
        for (int side = first; side < first + SIDE; side++) {
            float part = 0.0f;
            int end = at_most(rows, first + 32 * SIDE);
            for (int r = side; r < end; r += SIDE) part = part + term(r);
            total = total + (double)part;
        }
    return total;
}

// Batch norm, over what layer L's product has put out.
template <int L> INLINE void normalize(float *s, float *p, int rows, const Layer &own, float *saved, bool train) {
    constexpr int OUT = columns[L], P = pitch(OUT), V = vector(L);
    const float *scale = p + norm_at(L), *shift = scale + V;
    float *mean_at = p + norm_at(L) + 2 * V, *variance_at = mean_at + V;
    float *normal = saved + saved_at(L), *inverse_at = normal + BATCH * OUT;
    bool measures = train && rows > 1 && !own.norm_frozen;
    for (int c = thread(); c < OUT; c += THREADS) {
        float *x = s + dense_at(L) + c;
        float mean, inverse;
        if (measures) {
            double share = 1.0 / (double)rows;
            mean = (float)(column_sum<OUT>(rows, [&](int r) { return x[r * P]; }) * share);
            double squares = column_sum<OUT>(rows, [&](int r) { return (x[r * P] - mean) * (x[r * P] - mean); });
            float keep = 1.0f - own.momentum;
            mean_at[c] = keep * mean_at[c] + own.momentum * mean;
            variance_at[c] = keep * variance_at[c] + own.momentum * (float)(squares * (1.0 / (double)(rows - 1)));
            inverse = 1.0f / sqrtf((float)(squares * share) + own.epsilon);
        } else {
            mean = mean_at[c];
            inverse = 1.0f / sqrtf(variance_at[c] + own.epsilon);
        }
        float by = scale[c], plus = shift[c];
        for (int r = 0; r < rows; r++) {
            float z = (x[r * P] - mean) * inverse;
            if (train) normal[r * OUT + c] = z;
            x[r * P] = z * by + plus;
        }
        if (train) inverse_at[c] = inverse;
    }
}

// What flows back through it, in place; and the update of its scales and shifts.
template <int L> INLINE void normalize_back(float *s, float *p, int rows, const Settings &net, const Pace &pace, const float *saved, float *states) {
    constexpr int OUT = columns[L], P = pitch(OUT), V = vector(L);
    const Layer &own = net.layers[L];
    const float *normal = saved + saved_at(L), *inverse_at = normal + BATCH * OUT;
    double share = rows > 1 && !own.norm_frozen ? 1.0 / (double)rows : 0.0;
    for (int c = thread(); c < OUT; c += THREADS) {
        float *g = s + dense_gradient_at(L) + c;
        const float *z = normal + c;
        double sum = column_sum<OUT>(rows, [&](int r) { return g[r * P]; });
        double product = column_sum<OUT>(rows, [&](int r) { return g[r * P] * z[r * OUT]; });
        float by = p[norm_at(L) + c] * inverse_at[c];
        float mean = (float)(sum * share), along = (float)(product * share);
        for (int r = 0; r < rows; r++) g[r * P] = by * (g[r * P] - mean - z[r * OUT] * along);
        if (!own.norm_frozen) {
            update_one(net, pace, p, states, norm_at(L) + c, (float)product);
            update_one(net, pace, p, states, norm_at(L) + V + c, (float)sum);
        }
    }
}

// Whether the slope of layer L's activation is taken along by the product behind it: it shows in what the layer puts out.
template <int L> INLINE bool gates(const Layer &own) { return pieces[L] == 1 && own.activation == RELU; }

// Activation and dropout of layer L.
template <int L> INLINE void activate(float *s, int rows, const Layer &own, const unsigned *keys, float *saved, bool train) {
    constexpr int U = units(L + 1), K = pieces[L], DP = pitch(columns[L]), VP = pitch(U);
    float *slopes = saved + saved_at(L) + normal_floats(L);
#pragma unroll 1
    for (unsigned i = thread(); i < (unsigned)(rows * U); i += THREADS) {
        unsigned r = i / U, c = i % U;
        const float *from = s + dense_at(L) + r * DP + c * K;
        float y;
        if (K > 1) {
            y = -infinite();
            for (int k = 0; k < K; k++)
                if (from[k] > y || from[k] != from[k]) y = from[k];
        } else {
            float x = from[0], slope = 1.0f;
            y = x;
            if (own.activation == RELU) y = x < 0.0f ? 0.0f : x;
            if (own.activation == LEAKY_RELU) {
                slope = x > 0.0f ? 1.0f : own.slope;
                y = x > 0.0f ? x : own.slope * x;
            }
            if (own.activation == TANH) {
                y = tanh_of(x);
                slope = 1.0f - y * y;
            }
            if (own.activation == SIGMOID) {
                y = sigmoid_of(x);
                slope = y * (1.0f - y);
            }
            if (own.activation == GELU) y = gelu_of(x, slope);
            if (train && own.activation > RELU) slopes[i] = slope;
        }
        if (train && own.drops) y = y * fate(own, keys + 2 * L, i);
        s[value_at(L + 1) + r * VP + c] = y;
    }
}

// What flows back through both, where no product has taken it along.
template <int L> INLINE void activate_back(float *s, int rows, const Layer &own, const unsigned *keys, const float *saved) {
    constexpr int U = units(L + 1), K = pieces[L], DP = pitch(columns[L]), VP = pitch(U);
    const float *slopes = saved + saved_at(L) + normal_floats(L);
#pragma unroll 1
    for (unsigned i = thread(); i < (unsigned)(rows * U); i += THREADS) {
        unsigned r = i / U, c = i % U;
        float g = s[gradient_at(L + 1) + r * VP + c];
        if (own.drops) g = g * fate(own, keys + 2 * L, i);
        float *to = s + dense_gradient_at(L) + r * DP + c * K;
        if (K > 1) {
            // To the first piece that is the largest.
            float y = -infinite();
            for (int k = 0; k < K; k++)
                if (to[k] > y || to[k] != to[k]) y = to[k];
            for (int k = 0; k < K; k++) {
                bool chosen = to[k] == y;
                to[k] = chosen ? g : 0.0f;
                g = chosen ? 0.0f : g;
            }
        } else {
            to[0] = own.activation > RELU ? g * slopes[i] : g;
        }
    }
}

// d loss / d x of layer L from d loss / d y, through the ReLU and dropout that made x.
template <int L> struct Onward {
    static constexpr int IN = units(L), OUT = columns[L];
    typedef Cut<BATCH, IN> C;
    static constexpr int TM = C::HEIGHT;

    // Where a number of a tile stands. A tile has the columns four, four + FOURS, ..: so its threads read weights along
    // their rows.
    template <class F> INLINE void each(int place, F take) {
        int row = C::group(place), column = C::four(place);
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if ((C::RAGGED && row + i * C::GROUPS >= BATCH) || (IN % 4 && column + j * C::FOURS >= IN)) continue;
                take(i, j, row + i * C::GROUPS, column + j * C::FOURS);
            }
    }

    INLINE void tile(float (&sum)[TM][4], int place, const float *s, const float *p, bool relu, bool drops, float keep) {
        int row = C::group(place), column = C::four(place);
        constexpr int DP = pitch(OUT), WP = pitch(OUT);
        const float *dy = s + dense_gradient_at(L) + row * DP, *w = p + number_at(L);
        auto next = [&](int i) { return C::RAGGED ? at_most(i * C::GROUPS, BATCH - 1 - row) : i * C::GROUPS; };
        auto from = [&](int j) { return IN % 4 && column + j * C::FOURS >= IN ? 0 : column + j * C::FOURS; };
#pragma unroll
        for (int i = 0; i < TM; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) sum[i][j] = 0.0f;
#pragma unroll (TM >= 8 ? 1 : 2)
        for (int k = 0; k < OUT / 4 * 4; k += 4) {
            float4 a[TM], c[4];
#pragma unroll
            for (int i = 0; i < TM; i++) a[i] = *(const float4 *)(dy + next(i) * DP + k);
#pragma unroll
            for (int j = 0; j < 4; j++) c[j] = *(const float4 *)(w + from(j) * WP + k);
#pragma unroll
            for (int j = 0; j < 4; j++)
#pragma unroll
                for (int i = 0; i < TM; i++) {
                    float t = sum[i][j];
                    t = fmaf(a[i].x, c[j].x, t);
                    t = fmaf(a[i].y, c[j].y, t);
                    t = fmaf(a[i].z, c[j].z, t);
                    sum[i][j] = fmaf(a[i].w, c[j].w, t);
                }
        }
        for (int k = OUT / 4 * 4; k < OUT; k++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float c = w[from(j) * WP + k];
#pragma unroll
                for (int i = 0; i < TM; i++) sum[i][j] = fmaf(dy[next(i) * DP + k], c, sum[i][j]);
            }
        if (!relu) return;
        const float *x = s + value_at(L);
        each(place, [&](int i, int j, int row, int column) {
            // Above 0 is what neither the ReLU nor dropout stopped.
            bool open = x[row * pitch(IN) + column] > 0.0f;
            sum[i][j] = drops ? sum[i][j] * (open ? keep : 0.0f) : open ? sum[i][j] : 0.0f;
        });
    }
};

// d loss / d w of layer L, and what w becomes.
template <int L> struct Learned {
    static constexpr int IN = units(L), OUT = columns[L];
    typedef Cut<IN, OUT> C;
    static constexpr int TI = C::HEIGHT;
    static constexpr int XP = pitch(IN), DP = pitch(OUT), WP = pitch(OUT);

    INLINE void tile(float (&sum)[TI][4], int input, int column, const float *s, int rows) {
        const float *x = s + value_at(L), *dy = s + dense_gradient_at(L);
#pragma unroll
        for (int i = 0; i < TI; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) sum[i][j] = 0.0f;
#pragma unroll (TI >= 8 ? 2 : 8)
        for (int r = 0; r < rows; r++) {
            float4 d = *(const float4 *)(dy + r * DP + column);
            float f[TI];
            if (TI >= 4) {
#pragma unroll
                for (int i = 0; i < TI; i += 4) {
                    float4 q = *(const float4 *)(x + r * XP + input + i);
                    f[i] = q.x;
                    f[i + (TI > 1)] = q.y;
                    f[i + 2 * (TI > 2)] = q.z;
                    f[i + 3 * (TI > 3)] = q.w;
                }
            } else {
#pragma unroll
                for (int i = 0; i < TI; i++) f[i] = x[r * XP + (IN % TI ? at_most(input + i, IN - 1) : input + i)];
            }
#pragma unroll
            for (int i = 0; i < TI; i++) {
                sum[i][0] = fmaf(f[i], d.x, sum[i][0]);
                sum[i][1] = fmaf(f[i], d.y, sum[i][1]);
                sum[i][2] = fmaf(f[i], d.z, sum[i][2]);
                sum[i][3] = fmaf(f[i], d.w, sum[i][3]);
            }
        }
    }

    // From the gradients to the new weights; what the rule remembers is brought up to date. Padding stays 0.
    INLINE void update(float (&sum)[TI][4], float4 (&remembered)[TI], int input, int column, const float *p, float *states, const Settings &net, const Pace &pace) {
        const float *w = p + number_at(L);
        float *first = states + number_at(L), *second = first + NUMBERS;
#pragma unroll
        for (int i = 0; i < TI; i++) {
            if (IN % TI && input + i >= IN) continue;
            int at = (input + i) * WP + column;
            float4 old = *(const float4 *)(w + at), m = remembered[i], v = m;
            if (STATES > 1) v = *(const float4 *)(second + at);
            sum[i][0] = updated<PENALIZED>(net, pace, old.x, sum[i][0], net.l1, net.l2, pace.keep, m.x, v.x);
            sum[i][1] = updated<PENALIZED>(net, pace, old.y, sum[i][1], net.l1, net.l2, pace.keep, m.y, v.y);
            sum[i][2] = updated<PENALIZED>(net, pace, old.z, sum[i][2], net.l1, net.l2, pace.keep, m.z, v.z);
            sum[i][3] = updated<PENALIZED>(net, pace, old.w, sum[i][3], net.l1, net.l2, pace.keep, m.w, v.w);
            if (STATES > 0) *(float4 *)(first + at) = m;
            if (STATES > 1) *(float4 *)(second + at) = v;
            if (OUT % 4)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    if (column + j >= OUT) sum[i][j] = 0.0f;
        }
    }

    // Weights and biases, which nothing behind reads any more.
    INLINE void learn(const float *s, float *p, int rows, float *states, const Settings &net, const Pace &pace, bool bias) {
        if (bias) biases(s, p, rows, states, net, pace);
#pragma unroll 1
        for (int place = thread(); place < C::TILES; place += THREADS) {
            float sum[TI][4];
            int input = C::group(place) * TI, column = C::four(place) * 4;
            // Asked for long before it is needed.
            float4 remembered[TI];
#pragma unroll
            for (int i = 0; i < TI; i++)
                remembered[i] = STATES > 0 && (IN % TI == 0 || input + i < IN)
                                    ? *(const float4 *)(states + number_at(L) + (input + i) * WP + column)
                                    : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            tile(sum, input, column, s, rows);
            update(sum, remembered, input, column, p, states, net, pace);
#pragma unroll
            for (int i = 0; i < TI; i++) {
                if (IN % TI && input + i >= IN) continue;
                *(float4 *)(p + number_at(L) + (input + i) * WP + column) = make_float4(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
            }
        }
    }

    INLINE void biases(const float *s, float *p, int rows, float *states, const Settings &net, const Pace &pace) {
        // Where there are fewer biases than threads, every warp has some: else those that have none would wait.
        constexpr int SHARE = OUT < THREADS ? THREADS / OUT : 1;
        if (thread() % SHARE) return;
        for (int c = thread() / SHARE; c < OUT; c += THREADS) {
            const float *dy = s + dense_gradient_at(L) + c;
            // Asked for long before it is needed.
            float first = STATES > 0 ? states[bias_at(L) + c] : 0.0f, second = STATES > 1 ? states[NUMBERS + bias_at(L) + c] : 0.0f;
            float sum = 0.0f;
#pragma unroll 8
            for (int r = 0; r < rows; r++) sum = sum + dy[r * DP];
            update_one(net, pace, p, states, bias_at(L) + c, sum, first, second);
        }
    }
};

// Scales down the weights that meet in one unit, where their norm is above the limit.
template <int L> INLINE void limit_norms(float *p, double most) {
    constexpr int IN = units(L), OUT = columns[L], WP = pitch(OUT);
    for (int c = thread(); c < OUT; c += THREADS) {
        float *w = p + number_at(L) + c;
        double square = 0.0;
        for (int i = 0; i < IN; i++) square = square + (double)w[i * WP] * (double)w[i * WP];
        double factor = most / sqrt(square);
        float by = (float)(factor < 1.0 ? factor : 1.0);
        for (int i = 0; i < IN; i++) w[i * WP] = w[i * WP] * by;
    }
}

// Whether the way back begins before all know whether the loss is finite: its first barrier comes before it changes
// anything.
constexpr bool TOLD_LATE = LAYERS > 1 && !norms[LAYERS - 1];

// The way back through layer L and those before it, with all updates. 
template <int L> INLINE void backward(float *s, float *p, int rows, const Settings &net, const Pace &pace, const unsigned *keys, float *states, float *saved, const unsigned *ending) {
    typedef Learned<L> W;
    const Layer &own = net.layers[L];
    if constexpr (L + 1 < LAYERS) {
        if (!gates<L>(own)) {
            activate_back<L>(s, rows, own, keys, saved);
            __syncthreads();
        }
    }
    if constexpr (norms[L]) {
        normalize_back<L>(s, p, rows, net, pace, saved, states);
        __syncthreads();
    }
    if constexpr (L == 0) {
        if (!own.frozen) W::learn(s, p, rows, states, net, pace, own.bias);
    } else {
        // What goes on is computed from the old weights.
        typedef Onward<L> X;
        constexpr bool ASIDE = goes_aside(L);
        constexpr int P = pitch(X::IN);
        const Layer &before = net.layers[L - 1];
        bool relu = gates<L - 1>(before), drops = before.drops;
        float *onward = s + gradient_at(L), *aside = saved + ONWARD_AT;
#pragma unroll 1
        for (int place = thread(); place < X::C::TILES; place += THREADS) {
            float sum[X::TM][4];
            if (X::C::group(place) >= rows) continue;
            X::tile(sum, place, s, p, relu, drops, before.keep);
            X::each(place, [&](int i, int j, int row, int column) {
                if (ASIDE) aside[row * X::IN + column] = sum[i][j];
                else onward[row * P + column] = sum[i][j];
            });
        }
        __syncthreads();
        if (TOLD_LATE && L == LAYERS - 1 && *ending != RUNNING) return;
        if (!own.frozen) W::learn(s, p, rows, states, net, pace, own.bias);
        __syncthreads();
        if (ASIDE) {
            for (int i = thread(); i < rows * X::IN; i += THREADS) onward[i / X::IN * P + i % X::IN] = aside[i];
            __syncthreads();
        }
        if (!own.frozen && net.max_norm > 0.0) limit_norms<L>(p, net.max_norm);
        backward<L - 1>(s, p, rows, net, pace, keys, states, saved, ending);
    }
}

// All layers, from the input in shared memory to the outputs there. Leaves all threads at a barrier.
template <int L> INLINE void pass(float *s, float *p, int rows, const Settings &net, const unsigned *keys, float *saved, bool train) {
    if constexpr (L < LAYERS) {
        const Layer &own = net.layers[L];
        bool relu = !norms[L] && gates<L>(own) && L + 1 < LAYERS;
        forward<L>(s, p, rows, relu);
        __syncthreads();
        if constexpr (norms[L]) {
            normalize<L>(s, p, rows, own, saved, train);
            __syncthreads();
        }
        if constexpr (L + 1 < LAYERS) {
            if (!relu || (train && own.drops)) {
                activate<L>(s, rows, own, keys, saved, train);
                __syncthreads();
            }
        }
        pass<L + 1>(s, p, rows, net, keys, saved, train);
    }
}

// What stands in shared memory behind the numbers: of each row its loss and whether it was classified rightly, sums of
// the losses, the sum over the held-out part, where the net stands and what is its own, and flags that all may look at behind a barrier.
struct Rows {
    double *loss, *sums, *total;
    Progress *progress;
    Settings *settings;
    unsigned *correct;
    unsigned *flags;
};
constexpr int SHARED_FLOATS = ROWS_AT + 2 * (BATCH + SUMS + 1) + sizeof(Progress) / 4 + sizeof(Settings) / 4 + BATCH + 8;

enum Flag { BROKEN, OUTPUTS_BROKEN, LARGE, KEEPS, CORRECT, FLAGS, NEXT = FLAGS };

INLINE Rows rows_in(float *s) {
    Rows all;
    all.loss = (double *)(s + ROWS_AT);
    all.sums = all.loss + BATCH;
    all.total = all.sums + SUMS;
    all.progress = (Progress *)(all.total + 1);
    all.settings = (Settings *)(all.progress + 1);
    all.correct = (unsigned *)(all.settings + 1);
    all.flags = all.correct + BATCH;
    return all;
}

// Examples to shared memory.
INLINE void gather(float *s, const float *features, const unsigned *order, int rows) {
    constexpr int P = pitch(INPUTS);
    if constexpr (INPUTS % 4 == 0) {
        constexpr int Q = INPUTS / 4;
        for (int i = thread(); i < rows * Q; i += THREADS)
            *(float4 *)(s + i / Q * P + i % Q * 4) = *(const float4 *)(features + (size_t)order[i / Q] * INPUTS + i % Q * 4);
    } else {
        for (int i = thread(); i < rows * INPUTS; i += THREADS)
            s[i / INPUTS * P + i % INPUTS] = features[(size_t)order[i / INPUTS] * INPUTS + i % INPUTS];
    }
}

// The loss of each row, whether its largest output is its class, and d loss / d outputs in place of the outputs. `all` are
// the rows that the mean is over.
INLINE void loss(float *s, const Rows &out, int rows, int all, const Data &data, const unsigned *order, const float *weights, bool by_place, unsigned kind) {
    constexpr int C = units(LAYERS), P = pitch(C);
    float share = 1.0f / (float)all;
    double count = (double)all * (double)C;
    for (int r = thread(); r < rows; r += THREADS) {
        float *g = s + value_at(LAYERS) + r * P;
        size_t row = order[r];
        float weight = weights ? weights[by_place ? r : row] : 1.0f;
        unsigned label = kind == CLASSES || kind == VALUES_OF_CLASSES ? data.labels[row] : 0u;
        const float *target = data.targets + row * C;
        bool fine = true;
        float most = -infinite(), top = g[0];
        unsigned best = 0;
        for (int c = 0; c < C; c++) {
            fine = fine && finite(g[c]);
            most = g[c] > most ? g[c] : most;
            if (g[c] > top) {
                top = g[c];
                best = c;
            }
        }
        if (!fine) atomicOr(out.flags + OUTPUTS_BROKEN, 1u);
        out.correct[r] = best == label;
        double own = 0.0;
        if (kind == CLASSES) {
            float sum = 0.0f, at_label = 0.0f;
            for (int c = 0; c < C; c++) {
                float z = g[c] - most;
                if (c == (int)label) at_label = z;
                float e = exp_of(z);
                sum = sum + e;
                g[c] = e;
            }
            own = (double)weight * ((double)ln_of(sum) - (double)at_label);
            float factor = weight * share / sum;
            for (int c = 0; c < C; c++) {
                float q = g[c] * factor;
                g[c] = c == (int)label ? q - weight * share : q;
            }
        } else if (kind == SHARES) {
            float sum = 0.0f;
            for (int c = 0; c < C; c++) sum = sum + exp_of(g[c] - most);
            float log = ln_of(sum);
            for (int c = 0; c < C; c++) {
                float z = g[c] - most;
                own = own - (double)(weight * target[c]) * (double)(z - log);
                g[c] = weight * (exp_of(z) / sum - target[c]) / (float)all;
            }
        } else {
            float factor = (float)(2.0 * (double)weight / count);
            for (int c = 0; c < C; c++) {
                float d = kind == VALUES ? g[c] - target[c] : c == (int)label ? g[c] - 1.0f : g[c];
                own = own + (double)d * (double)d;
                g[c] = d * factor;
            }
            own = (double)weight * own;
        }
        out.loss[r] = own;
    }
}

INLINE double tree(double *sums) {
#pragma unroll
    for (int half = SUMS / 2; half > 0; half /= 2)
#pragma unroll
        for (int i = 0; i < half; i++) sums[i] = sums[i] + sums[i + half];
    return sums[0];
}

INLINE double mean_over(unsigned kind, int rows) {
    return kind == VALUES || kind == VALUES_OF_CLASSES ? (double)rows * (double)units(LAYERS) : (double)rows;
}

// Looks at the numbers of layer L for what is not finite, or large. Running statistics may be large.
template <int L> INLINE void inspect(const float *p, const Rows &out) {
    if constexpr (L < LAYERS) {
        constexpr int RUNNING_AT = norms[L] ? norm_at(L) + 2 * vector(L) : number_at(L + 1);
        bool broken = false, large = false;
        for (int i = number_at(L) + thread(); i < number_at(L + 1); i += THREADS) {
            broken = broken || !finite(p[i]);
            large = large || (i < RUNNING_AT && magnitude(p[i]) > SUSPECT);
        }
        if (broken) atomicOr(out.flags + BROKEN, 1u);
        if (large) atomicOr(out.flags + LARGE, 1u);
        inspect<L + 1>(p, out);
    }
}

// What a check means for the training, as toolkit/src/train/engine/check.rs has it; by one thread.
INLINE void judge(const Rows &out, const Settings &net, Progress &own, Check *records, unsigned step) {
    bool broken = out.flags[BROKEN], outputs_finite = !out.flags[OUTPUTS_BROKEN];
    double held = *out.total / (double)net.watch_rows;
    Check &record = records[net.checks + own.checks++];
    record.loss = held;
    record.step = step;
    record.correct = out.flags[CORRECT];
    record.broken = broken;
    record.outputs_finite = outputs_finite;
    bool held_finite = held - held == 0.0;
    if (broken || !outputs_finite || (net.watched && !held_finite)) {
        own.ending = CHECK_DIVERGED;
        own.outputs_finite = outputs_finite;
    } else if (net.watched && held >= own.kept_loss) {
        own.stale++;
        if (own.stale >= net.patience) own.ending = STOPPED_EARLY;
    } else {
        own.stale = 0;
        own.kept_step = step;
        own.kept_loss = net.watched ? held : (double)infinite();
        out.flags[KEEPS] = 1u;
    }
}

// What a pass is for.
enum Phase { TRAIN, WATCH, LOOK };

static_assert(sizeof(Progress) == 8 * sizeof(float), "as the host has it");

GLOBAL __launch_bounds__(THREADS, BLOCKS) sweep(Segment job) {
    SHARED_BYTES;
    float *s = (float *)shared_bytes;
    const Rows out = rows_in(s);
    Progress &own = *out.progress;
    float *saved = job.saved + (size_t)blockIdx.x * SAVED;
    for (;;) {
        if (thread() == 0) out.flags[NEXT] = atomicAdd(job.next, 1u);
        __syncthreads();
        unsigned n = out.flags[NEXT];
        if (n >= job.count) return;
        const Settings &net = *out.settings;
        for (int i = thread(); i < (int)(sizeof(Settings) / 4); i += THREADS) ((unsigned *)out.settings)[i] = ((const unsigned *)(job.nets + n))[i];
        __syncthreads();
        size_t place = net.place;
        float *numbers = job.numbers + place * NUMBERS, *kept = job.kept + place * NUMBERS;
        float *states = job.states + place * STATES * NUMBERS;
        // Padding is multiplied and thrown away.
        for (int i = thread(); i < VALUES_END; i += THREADS) s[i] = 0.0f;
        float *p = WEIGHTS_SHARED ? s + VALUES_END : numbers;
        if (WEIGHTS_SHARED)
            for (int i = thread(); i < NUMBERS / 4; i += THREADS) ((float4 *)p)[i] = ((const float4 *)numbers)[i];
        if (thread() == 0) own = job.progress[place];
        __syncthreads();
        unsigned begin = own.step, end = net.total - begin < job.steps ? net.total : begin + job.steps;
        int at = 0;  // in the held-out part
        Phase phase = TRAIN;
        for (unsigned step = begin; step < end || phase != TRAIN;) {
            // Of a check, the step it follows.
            unsigned index = step - begin - (phase == TRAIN ? 0 : 1);
            const Data &data = job.data[2 * net.data + (phase == WATCH ? 1 : 0)];
            const unsigned *batches = job.batches + net.batches + index, *batch = job.order + net.order + batches[0];
            int rows = (int)(batches[1] - batches[0]), all = rows;
            const float *weights = net.weights == NOWHERE ? nullptr : job.weights + net.weights;
            if (phase == WATCH) {
                int chunk = at / WATCH_ROWS * WATCH_ROWS;
                all = at_most(WATCH_ROWS, (int)net.watch_rows - chunk);
                rows = at_most(BATCH, chunk + all - at);
                batch = job.watch_order + net.watch_order + at;
                weights = net.watch_weights == NOWHERE ? nullptr : job.watch_weights + net.watch_weights + at;
            }
            if (phase == TRAIN && thread() < FLAGS) out.flags[thread()] = 0u;
            gather(s, data.features, batch, rows);
            __syncthreads();
            const unsigned *keys = job.keys + net.keys + 2 * LAYERS * index;
            pass<0>(s, p, rows, net, keys, saved, phase == TRAIN);
            loss(s, out, rows, all, data, batch, weights, phase == WATCH, net.loss);
            __syncthreads();
            if (thread() < SUMS && phase != LOOK) {
                // The sums go on over the batches of a chunk of the held-out part.
                int first = phase == WATCH ? at % WATCH_ROWS : 0;
                double sum = first ? out.sums[thread()] : 0.0;
                unsigned right = 0;
                for (int r = (thread() + SUMS - first % SUMS) % SUMS; r < rows; r += SUMS) {
                    sum = sum + out.loss[r];
                    right += out.correct[r];
                }
                out.sums[thread()] = sum;
                if (phase == WATCH && right) atomicAdd(out.flags + CORRECT, right);
            }
            __syncthreads();
            bool summed = phase == TRAIN || (phase == WATCH && (at + rows) % WATCH_ROWS == 0) || at + rows == (int)net.watch_rows;
            if (thread() == 0 && phase != LOOK && summed) {
                float mean = (float)(tree(out.sums) / mean_over(net.loss, all));
                if (phase == TRAIN) {
                    job.losses[net.losses + index] = mean;
                    if (!finite(mean)) {
                        own.ending = LOSS_DIVERGED;
                        own.outputs_finite = !out.flags[OUTPUTS_BROKEN];
                    }
                } else {
                    *out.total = *out.total + (double)mean * (double)all;
                }
            }
            bool judges = phase == LOOK;
            if (phase == TRAIN) {
                if (!TOLD_LATE) {
                    __syncthreads();
                    if (own.ending != RUNNING) break;
                }
                backward<LAYERS - 1>(s, p, rows, net, job.paces[net.paces + index], keys, states, saved, &own.ending);
                __syncthreads();
                if (own.ending != RUNNING) break;
                if (net.max_norm > 0.0 && !net.layers[0].frozen) limit_norms<0>(p, net.max_norm);
                step++;
                if (step % net.check_every == 0 || step == net.total) {
                    if (thread() < FLAGS) out.flags[thread()] = 0u;
                    if (thread() == 0) *out.total = 0.0;
                    __syncthreads();
                    inspect<0>(p, out);
                    __syncthreads();
                    at = 0;
                    // Finite parameters can be too large to compute with: then the last batch is passed through once more.
                    phase = net.watched ? WATCH : out.flags[LARGE] ? LOOK : TRAIN;
                    judges = phase == TRAIN;
                }
            } else if (phase == WATCH) {
                at += rows;
                judges = at == (int)net.watch_rows;
            }
            if (judges) {
                if (thread() == 0) judge(out, net, own, job.checks, step);
                __syncthreads();
                phase = TRAIN;
                if (out.flags[KEEPS])
                    for (int i = thread(); i < NUMBERS / 4; i += THREADS) ((float4 *)kept)[i] = ((const float4 *)p)[i];
                if (own.ending != RUNNING) {
                    if (thread() == 0) own.step = step;
                    break;
                }
            }
            if (thread() == 0) own.step = step;
            __syncthreads();
        }
        __syncthreads();
        if (thread() == 0) {
            if (own.ending == RUNNING && own.step == net.total) own.ending = COMPLETED;
            job.progress[place] = own;
        }
        if (WEIGHTS_SHARED)
            for (int i = thread(); i < NUMBERS / 4; i += THREADS) ((float4 *)numbers)[i] = ((const float4 *)p)[i];
        __syncthreads();
    }
}
