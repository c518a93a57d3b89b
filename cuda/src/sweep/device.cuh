// What our kernels are written in. A stand-in for a card defines the same words for the host (stand_in/device.h).
#ifndef HOST
#define GLOBAL extern "C" __global__ void
#define INLINE static __device__ __forceinline__
#define SHARED_BYTES extern __shared__ __align__(16) unsigned char shared_bytes[]

// The thread's number. Opaque: what follows from it is computed where it is needed, instead of being kept in registers
// over the whole training.
INLINE int thread() {
    int number = threadIdx.x;
    asm volatile("" : "+r"(number));
    return number;
}
#endif
