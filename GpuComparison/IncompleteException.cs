namespace NativeFfn.GpuComparison;

/// <summary>Some of what was asked for is there, and some could not be done.</summary>
internal sealed class IncompleteException(string message) : Exception(message);
