namespace NativeFfn.Load.Wire;

/// <summary>What a process holds at one moment.</summary>
/// <param name="Megabytes">Resident memory, in 10^6 bytes.</param>
/// <param name="Handles">Open files, sockets among them.</param>
/// <param name="Threads">Threads.</param>
internal readonly record struct ProcessFigures(double Megabytes, int Handles, int Threads);
