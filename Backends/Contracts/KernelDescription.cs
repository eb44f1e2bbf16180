namespace NativeFfn;

/// <summary>What multiplies the weights of a precision on the CPU, where no library does.</summary>
/// <param name="Precision">The precision.</param>
/// <param name="Instructions">The instruction that code was assembled for, or C# and its vectors.</param>
/// <param name="Milliseconds">What assembling took, once in a process; null where nothing was assembled.</param>
/// <param name="Reason">Why C# multiplies where there is assembled code elsewhere; null where it does not, or there is none.</param>
internal sealed record KernelDescription(FfnPrecision Precision, string Instructions, double? Milliseconds, string? Reason);
