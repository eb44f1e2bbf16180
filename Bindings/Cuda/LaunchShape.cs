namespace NativeFfn.Bindings.Cuda;

/// <summary>How many threads run a kernel.</summary>
/// <param name="GridX">Blocks in x; positive.</param>
/// <param name="GridY">Blocks in y; positive, and on every device at most 65535.</param>
/// <param name="BlockX">Threads of a block; positive.</param>
/// <param name="SharedBytes">Shared memory of a block beyond what the kernel declares; 0 or more.</param>
internal readonly record struct LaunchShape(int GridX, int GridY, int BlockX, int SharedBytes = 0);
