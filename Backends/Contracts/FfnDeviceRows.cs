namespace NativeFfn;

/// <summary>Rows of float32 in a GPU's memory, one a token.</summary>
/// <param name="Address">The first row's first element, a device pointer (<c>CUdeviceptr</c>) of the engine's device; a multiple of 4.</param>
/// <param name="Tokens">Rows; not negative.</param>
/// <param name="Stride">Elements from one row to the next, at least the row's width.</param>
public readonly record struct FfnDeviceRows(nint Address, int Tokens, long Stride);
