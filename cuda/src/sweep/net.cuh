// What a network brings along, where it stands, and what an update makes of a parameter.

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
