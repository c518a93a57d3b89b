// Examples in, and the losses of their outputs.

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
