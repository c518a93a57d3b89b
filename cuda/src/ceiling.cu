// Multiply-adds that wait for nothing: what a card reaches at most.
struct Ceiling {
    float *out;
    unsigned long long rounds;
};

extern "C" __global__ void ceiling(Ceiling job) {
    float x[16];
    float a = threadIdx.x * 1e-3f, b = blockIdx.x * 1e-3f;
#pragma unroll
    for (int i = 0; i < 16; i++) x[i] = i;
    for (unsigned long long round = 0; round < job.rounds; round++)
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int i = 0; i < 16; i++) x[i] = fmaf(x[i], a, b);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 16; i++) sum += x[i];
    job.out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}
