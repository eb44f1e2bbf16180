// The whole program of one precision: -DNATIVEFFN_F32, _BF16, _F16 or _E4M3. Every precision has kernels of the same names.
#include "input.cu"
#include "activation.cu"
#include "finish.cu"
#include "experts.cu"
#include "trace.cu"
#include "vectors.cu"
