// CUDA's device language as host C++, enough for our kernels: the threads of a block are fibers of one thread, which run
// in turn from barrier to barrier. STAND_IN_ORDER says in which turn (0 up, 1 down, 2 shuffled): a missing barrier shows
// as other numbers under another order. With THREADS_ARE_THREADS they are threads, for a sanitizer to watch.
#pragma once
#define HOST 1
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <thread>
#include <ucontext.h>
#include <vector>

struct Index {
    unsigned x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline float __uint_as_float(unsigned u) {
    float f;
    std::memcpy(&f, &u, 4);
    return f;
}
static inline unsigned __float_as_uint(float f) {
    unsigned u;
    std::memcpy(&u, &f, 4);
    return u;
}
static inline unsigned atomicAdd(unsigned *at, unsigned x) { return std::atomic_ref<unsigned>(*at).fetch_add(x); }
static inline unsigned atomicOr(unsigned *at, unsigned x) { return std::atomic_ref<unsigned>(*at).fetch_or(x); }

static thread_local Index threadIdx, blockIdx;
static Index gridDim, blockDim;
static thread_local unsigned char *shared_of_block;

static inline int thread() { return (int)threadIdx.x; }

#define GLOBAL static void
#define INLINE static inline
#define __launch_bounds__(...)
#define SHARED_BYTES unsigned char *shared_bytes = shared_of_block

// Of the exact size, and poisoned: NaN wherever nothing was written.
static unsigned char *new_shared(size_t bytes) {
    unsigned char *p = (unsigned char *)std::aligned_alloc(16, (bytes + 15) / 16 * 16);
    std::memset(p, 0xFF, bytes);
    return p;
}

#ifdef THREADS_ARE_THREADS
static std::barrier<> *barrier_of_block;
static inline void __syncthreads() { barrier_of_block->arrive_and_wait(); }

static void run_block(unsigned block, unsigned threads, size_t bytes, const std::function<void()> &kernel) {
    unsigned char *shared = new_shared(bytes);
    std::barrier<> barrier(threads);
    barrier_of_block = &barrier;
    std::vector<std::thread> all;
    for (unsigned t = 0; t < threads; t++)
        all.emplace_back([&, t] {
            threadIdx = {t, 0, 0};
            blockIdx = {block, 0, 0};
            shared_of_block = shared;
            kernel();
            barrier.arrive_and_drop();
        });
    for (auto &one : all) one.join();
    std::free(shared);
}
#else
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    bool done;
};
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static const std::function<void()> *body;

static inline void __syncthreads() {
    unsigned t = threadIdx.x;
    swapcontext(&fibers[t].context, &scheduler);
}

static void fiber() {
    unsigned t = threadIdx.x;
    (*body)();
    fibers[t].done = true;
    swapcontext(&fibers[t].context, &scheduler);
}

static void run_block(unsigned block, unsigned threads, size_t bytes, const std::function<void()> &kernel) {
    const char *asked = std::getenv("STAND_IN_ORDER");
    int order = asked ? std::atoi(asked) : 0;
    static std::mt19937 random(1);
    shared_of_block = new_shared(bytes);
    blockIdx = {block, 0, 0};
    body = &kernel;
    fibers.resize(threads);
    for (auto &one : fibers) {
        one.done = false;
        one.stack.resize(256 << 10);
        getcontext(&one.context);
        one.context.uc_stack.ss_sp = one.stack.data();
        one.context.uc_stack.ss_size = one.stack.size();
        one.context.uc_link = &scheduler;
        makecontext(&one.context, fiber, 0);
    }
    std::vector<unsigned> turn(threads);
    std::iota(turn.begin(), turn.end(), 0u);
    if (order == 1) std::reverse(turn.begin(), turn.end());
    for (unsigned left = threads; left;) {
        if (order == 2) std::shuffle(turn.begin(), turn.end(), random);
        unsigned ended = 0, waiting = 0;
        for (unsigned t : turn) {
            if (fibers[t].done) continue;
            threadIdx = {t, 0, 0};
            swapcontext(&scheduler, &fibers[t].context);
            (fibers[t].done ? ended : waiting)++;
        }
        left -= ended;
        if (ended && waiting) {
            std::fprintf(stderr, "%u threads ended while %u wait at a barrier\n", ended, waiting);
            std::abort();
        }
    }
    std::free(shared_of_block);
}
#endif

template <class K, class A> void launch(unsigned grid, unsigned threads, size_t shared, K kernel, const A &argument) {
    gridDim = {grid, 1, 1};
    blockDim = {threads, 1, 1};
    for (unsigned block = 0; block < grid; block++) run_block(block, threads, shared, [&] { kernel(argument); });
}
