// Trains many small multilayer perceptrons at once, one to a block, all steps of a segment in one launch.
//
// Every sum runs in the CPU executor's order (over k from the first, one fused multiply-add each; over rows from the
// first), and nothing else is fused (--fmad=false): the numbers are the CPU's, bit for bit. What a rule, an activation or
// a loss computes stands in toolkit/src; here it stands once more, in the same order.

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
