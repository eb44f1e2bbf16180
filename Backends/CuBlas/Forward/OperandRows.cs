using NativeFfn.Bindings.Cuda;

namespace NativeFfn.Backends.CuBlas.Forward;

/// <summary>Rows that a projection reads: operands, or vectors for the decode kernels.</summary>
/// <param name="Region">From the first row's first element on.</param>
/// <param name="Stride">Elements from one row to the next.</param>
/// <param name="Scales">float32 scales, one a token, where the format has them.</param>
internal readonly record struct OperandRows(DeviceRegion Region, long Stride, DeviceRegion Scales);
