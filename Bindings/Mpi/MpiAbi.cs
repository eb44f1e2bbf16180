using NativeFfn.Bindings.Loading;

namespace NativeFfn.Bindings.Mpi;

/// <summary>The handles of a family of MPI libraries, which its mpi.h makes of symbols or of numbers.</summary>
/// <param name="Family">The family's name.</param>
internal sealed record MpiAbi(string Family)
{
    /// <summary>MPI_COMM_WORLD.</summary>
    public required nint World { get; init; }

    /// <summary>MPI_FLOAT.</summary>
    public required nint Float { get; init; }

    /// <summary>MPI_BYTE.</summary>
    public required nint Byte { get; init; }

    /// <summary>MPI_SUM.</summary>
    public required nint Sum { get; init; }

    /// <summary>MPI_ERRORS_RETURN.</summary>
    public required nint ErrorsReturn { get; init; }

    /// <summary>MPI_IN_PLACE.</summary>
    public required nint InPlace { get; init; }

    // MPI 5.0, section 20: mpi.h of the standard ABI.
    private static readonly MpiAbi Standard = new("MPI-5 ABI")
    {
        World = 0x101, Float = 0x210, Byte = 0x247, Sum = 0x21, ErrorsReturn = 0x142, InPlace = 1,
    };

    // mpi.h of MPICH 3 and 4, of Intel MPI, MVAPICH and Cray MPICH, which keep its ABI.
    private static readonly MpiAbi Mpich = new("MPICH")
    {
        World = 0x44000000, Float = 0x4c00040a, Byte = 0x4c00010d, Sum = 0x58000003, ErrorsReturn = 0x54000001, InPlace = -1,
    };

    /// <summary>The family of a library, by what it exports; null where it is none that is known.</summary>
    public static MpiAbi? Of(NativeSymbols symbols) =>
        symbols.TryFind("ompi_mpi_comm_world", out nint world)
            && symbols.TryFind("ompi_mpi_float", out nint single)
            && symbols.TryFind("ompi_mpi_byte", out nint bytes)
            && symbols.TryFind("ompi_mpi_op_sum", out nint sum)
            && symbols.TryFind("ompi_mpi_errors_return", out nint errors)
            ? new MpiAbi("Open MPI") { World = world, Float = single, Byte = bytes, Sum = sum, ErrorsReturn = errors, InPlace = 1 }
        : Path.GetFileName(symbols.Path).StartsWith(Libraries.MpiAbiPrefix, StringComparison.Ordinal)
            && symbols.TryFind("MPI_Abi_get_version", out _) ? Standard
        : symbols.TryFind("MPIR_Dup_fn", out _) ? Mpich
        : null;
}
