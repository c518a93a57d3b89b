// The functions of toolkit/src/base/math.rs, instruction by instruction, so that a GPU gives the CPU's bits.
// Clamps are comparisons, written so that NaN stays NaN: fminf and fmaxf would drop it.

INLINE float clamped(float x, float least, float most) { return x < least ? least : (x > most ? most : x); }

struct Power {
    float scale, rest;
};

INLINE Power reduce(float x) {
    const float ROUND = 12582912.0f;
    float shifted = fmaf(x, 1.44269504088896340736f, ROUND);
    float n = shifted - ROUND;
    float r = fmaf(n, 2.1219444e-4f, fmaf(n, -0.6933594f, x));
    Power out;
    out.scale = __uint_as_float((__float_as_uint(shifted) - __float_as_uint(ROUND) + 127u) << 23);
    float p = 1.0f / 5040.0f;
    p = fmaf(p, r, 1.0f / 720.0f);
    p = fmaf(p, r, 1.0f / 120.0f);
    p = fmaf(p, r, 1.0f / 24.0f);
    p = fmaf(p, r, 1.0f / 6.0f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    out.rest = p * r;
    return out;
}

INLINE float exp_of(float x) {
    Power e = reduce(clamped(x, -87.3f, 88.3f));
    return fmaf(e.scale, e.rest, e.scale);
}

INLINE float exp_m1(float x) {
    Power e = reduce(clamped(x, -87.3f, 88.3f));
    return fmaf(e.scale, e.rest, e.scale - 1.0f);
}

INLINE float magnitude(float x) { return __uint_as_float(__float_as_uint(x) & 0x7FFFFFFFu); }

INLINE float with_sign_of(float x, float sign) {
    return __uint_as_float((__float_as_uint(x) & 0x7FFFFFFFu) | (__float_as_uint(sign) & 0x80000000u));
}

INLINE float sigmoid_of(float x) { return 1.0f / (1.0f + exp_of(-x)); }

INLINE float tanh_of(float x) {
    float e = exp_m1(2.0f * clamped(magnitude(x), 0.0f, 10.0f));
    return with_sign_of(e / (e + 2.0f), x);
}

INLINE float erf_of(float x) {
    float t = clamped(magnitude(x), 0.0f, 4.0f);
    float q = 4.0710034e-5f;
    q = fmaf(q, t, -3.810165e-4f);
    q = fmaf(q, t, 1.2517929e-3f);
    q = fmaf(q, t, 2.0564988e-4f);
    q = fmaf(q, t, -1.9321667e-2f);
    q = fmaf(q, t, 1.0281439e-1f);
    q = fmaf(q, t, 6.366165e-1f);
    q = fmaf(q, t, 1.12837916709551257390f);
    return with_sign_of(-exp_m1(-t * q), x);
}

// x * Phi(x), and its slope.
INLINE float gelu_of(float x, float &slope) {
    float below = fmaf(0.5f, erf_of(x * 0.70710678118654752440f), 0.5f);
    float density = 0.3989423f * exp_of(-0.5f * x * x);
    slope = magnitude(x) > 14.0f ? below : fmaf(x, density, below);
    return x * below;
}

INLINE float ln_of(float x) {
    const unsigned ROOT_HALF = 0x3F3504F3u;
    unsigned above = __float_as_uint(x) - ROOT_HALF;
    float n = (float)((int)above >> 23);
    float f = __uint_as_float((above & 0x007FFFFFu) + ROOT_HALF) - 1.0f;
    float s = f / (2.0f + f);
    float z = s * s;
    float p = 2.0f / 9.0f;
    p = fmaf(p, z, 2.0f / 7.0f);
    p = fmaf(p, z, 2.0f / 5.0f);
    p = fmaf(p, z, 2.0f / 3.0f);
    float low = fmaf(n, -2.1219444e-4f, -(s * fmaf(-p, z, f)));
    float near = fmaf(n, 0.6933594f, f + low);
    return x < __uint_as_float(0x7F800000u) ? near : x;
}
