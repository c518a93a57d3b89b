// What follows from the shape of the networks: where everything lies, in shared memory and in global memory.
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
