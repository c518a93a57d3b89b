// What stands behind a product: batch norm, the activation, dropout.

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
