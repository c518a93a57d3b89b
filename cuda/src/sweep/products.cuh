// The products: forward, and the gradients by what a layer reads and by its weights, with their update.

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
