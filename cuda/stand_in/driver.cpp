// A stand-in for libcuda.so.1 that runs our kernels on the CPU, from code that the stand-in for NVRTC has made: for tests
// of everything on the host's side. "Device" memory is the host's; a stream's work is put off until somebody waits, so
// that a missing wait shows. Memory is poisoned: it reads as NaN where nothing was written. STAND_IN says what goes wrong:
// init=100, version=11080, devices=0, memory=1000000, load=209, launch=700, major=9, minor=0, shared=232448.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "setting.h"

#define API extern "C" __attribute__((visibility("default"))) int
typedef unsigned long long Address;

struct Kernel {
    void (*run)(unsigned, unsigned, size_t, const void *);
    size_t arguments;
    size_t allowed;
};

static std::mutex one_at_a_time;
static std::deque<std::function<void()>> queue;
static std::map<Address, size_t> memory;
static size_t used;
// Once a kernel has failed, nothing works any more, as on a card.
static int broken;
static thread_local void *current;

static int finish() {
    while (!queue.empty()) {
        auto work = queue.front();
        queue.pop_front();
        work();
    }
    return broken;
}

API cuInit(unsigned) { return (int)setting("init", 0); }
API cuDriverGetVersion(int *v) {
    *v = (int)setting("version", 13000);
    return 0;
}
API cuDeviceGetCount(int *n) {
    *n = (int)setting("devices", 1);
    return 0;
}
API cuDeviceGet(int *d, int i) {
    *d = i;
    return i < setting("devices", 1) ? 0 : 101;
}
API cuDeviceGetName(char *s, int n, int) {
    snprintf(s, n, "stand-in for a GPU");
    return 0;
}
API cuDeviceGetAttribute(int *v, int which, int) {
    switch (which) {
        case 75: *v = (int)setting("major", 9); break;
        case 76: *v = (int)setting("minor", 0); break;
        case 16: *v = (int)setting("multiprocessors", 3); break;
        case 97: *v = (int)setting("shared", 232448); break;
        case 115: *v = 1; break;  // a pool, from which memory comes in the order of the stream
        default: *v = 0;
    }
    return 0;
}
API cuDevicePrimaryCtxRetain(void **c, int) {
    *c = (void *)1;
    return 0;
}
API cuDevicePrimaryCtxRelease_v2(int) { return 0; }
API cuCtxGetCurrent(void **c) {
    *c = current;
    return 0;
}
API cuCtxSetCurrent(void *c) {
    current = c;
    return 0;
}
static long all_memory() { return setting("memory", 4L << 30); }
API cuDeviceTotalMem_v2(size_t *n, int) {
    *n = all_memory();
    return 0;
}
API cuMemGetInfo_v2(size_t *f, size_t *t) {
    *t = all_memory();
    *f = *t - used;
    return 0;
}
API cuMemAllocAsync(Address *p, size_t n, void *) {
    std::lock_guard lock(one_at_a_time);
    if (!current) return 201;
    if (broken) return broken;
    if (used + n > (size_t)all_memory()) {
        // What was freed is there once its turn has come.
        if (int error = finish()) return error;
        if (used + n > (size_t)all_memory()) return 2;
    }
    // Of the exact size, for a sanitizer to watch its end.
    *p = (Address)std::aligned_alloc(256, (n + 255) / 256 * 256);
    memset((void *)*p, 0xFF, n);
    memory[*p] = n;
    used += n;
    return 0;
}
API cuMemFreeAsync(Address p, void *) {
    std::lock_guard lock(one_at_a_time);
    queue.push_back([p] {
        used -= memory[p];
        memory.erase(p);
        free((void *)p);
    });
    return broken;
}
// From pageable memory the copy has read its source when the call returns.
API cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t n, void *) {
    std::lock_guard lock(one_at_a_time);
    auto copy = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + n);
    queue.push_back([=] { memcpy((void *)to, copy->data(), n); });
    return broken;
}
API cuMemcpyDtoHAsync_v2(void *to, Address from, size_t n, void *) {
    std::lock_guard lock(one_at_a_time);
    queue.push_back([=] { memcpy(to, (void *)from, n); });
    return broken;
}
API cuMemsetD8Async(Address p, unsigned char v, size_t n, void *) {
    std::lock_guard lock(one_at_a_time);
    queue.push_back([=] { memset((void *)p, v, n); });
    return broken;
}
API cuStreamCreate(void **s, unsigned) {
    static long next = 2;
    *s = (void *)next++;
    return 0;
}
API cuStreamDestroy_v2(void *) { return 0; }
API cuStreamSynchronize(void *) {
    std::lock_guard lock(one_at_a_time);
    return finish();
}
API cuCtxSynchronize() {
    std::lock_guard lock(one_at_a_time);
    return finish();
}
API cuStreamWaitEvent(void *, void *, unsigned) { return 0; }
API cuEventCreate(void **e, unsigned) {
    static long next = 2;
    *e = (void *)next++;
    return 0;
}
API cuEventDestroy_v2(void *) { return 0; }
API cuEventRecord(void *, void *) { return 0; }
API cuEventSynchronize(void *) {
    std::lock_guard lock(one_at_a_time);
    return finish();
}
// Machine code is an ELF file: here a library. PTX is text, which nothing here can run.
API cuModuleLoadData(void **m, const void *image) {
    if (long error = setting("load", 0)) return (int)error;
    const unsigned char *bytes = (const unsigned char *)image;
    if (memcmp(bytes, "\x7f""ELF", 4)) return 218;
    size_t sections, entry_size_and_count;
    memcpy(&sections, bytes + 40, 8);
    unsigned short size, count;
    memcpy(&size, bytes + 58, 2);
    memcpy(&count, bytes + 60, 2);
    entry_size_and_count = (size_t)size * count;
    int file = memfd_create("kernel", 0);
    size_t length = sections + entry_size_and_count;
    if (write(file, bytes, length) != (ssize_t)length) return 999;
    std::string path = "/proc/self/fd/" + std::to_string(file);
    *m = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!*m) fprintf(stderr, "stand-in: %s\n", dlerror());
    return *m ? 0 : 200;
}
API cuModuleUnload(void *) { return 0; }
API cuModuleGetFunction(void **f, void *m, const char *name) {
    void *run = dlsym(m, (std::string("stand_in_run_") + name).c_str());
    void *arguments = dlsym(m, (std::string("stand_in_arguments_") + name).c_str());
    if (!run || !arguments) return 500;
    *f = new Kernel{(void (*)(unsigned, unsigned, size_t, const void *))run, *(size_t *)arguments, 48 * 1024};
    return 0;
}
API cuFuncSetAttribute(void *f, int what, int v) {
    if (what != 8) return 0;
    if (v > setting("shared", 232448)) return 1;
    ((Kernel *)f)->allowed = v;
    return 0;
}
API cuFuncGetAttribute(int *v, int, void *) {
    *v = 0;
    return 0;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *n, void *, int, size_t) {
    *n = 1;
    return 0;
}
API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, void *, int, size_t, unsigned) {
    *n = 1;
    return 0;
}
API cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *, void **arguments, void **) {
    std::lock_guard lock(one_at_a_time);
    if (broken) return broken;
    Kernel *kernel = (Kernel *)f;
    if (shared > kernel->allowed || bx * by * bz > 1024 || gx == 0 || gy * gz != 1) return 1;
    // The one argument is a struct, copied when the kernel is launched.
    auto copy = std::make_shared<std::vector<char>>((char *)arguments[0], (char *)arguments[0] + kernel->arguments);
    queue.push_back([=] {
        if (long error = setting("launch", 0))
            broken = (int)error;
        else
            kernel->run(gx, bx, shared, copy->data());
    });
    return 0;
}
API cuGetErrorName(int error, const char **text) {
    static thread_local std::string name;
    name = "CUDA_ERROR_" + std::to_string(error);
    *text = name.c_str();
    return 0;
}
API cuGetErrorString(int error, const char **text) { return cuGetErrorName(error, text); }
