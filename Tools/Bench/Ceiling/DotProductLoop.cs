using Iced.Intel;
using NativeFfn.Backends.Cpu.Gemm.Assembled;
using NativeFfn.Bindings.Memory;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Bench.Ceiling;

/// <summary>One of the processor's dot products over and over in registers, for which .NET has no types: a ceiling of the kernels that use it.</summary>
internal sealed unsafe class DotProductLoop : IDisposable
{
    // Enough independent chains to cover the latency of two units, of vectors that are the caller's to save on every system.
    private const int Chains = 12;
    private const int FirstVector = 16;
    private const int Lanes = 16;

    // The registers of matrices but two.
    private const int MatrixChains = 6;

    // Of columns one by one, of which a lane has several.
    private const int MatrixOperations = 2 * MatrixChains * MatrixRegisters.MostRows * Lanes * MatrixRegisters.MostRows;

    private readonly DotProduct _product;
    private readonly ExecutableMemory _code;

    /// <summary>Assembles the loop.</summary>
    /// <param name="product">An instruction that can be used here.</param>
    public DotProductLoop(DotProduct product)
    {
        _product = product;
        _code = ExecutableMemory.Of(BytesOf(product));
    }

    /// <summary>Operations of one turn, a multiply-add counted as two.</summary>
    public int OperationsPerTurn => _product switch
    {
        DotProduct.BFloat16Matrices => MatrixOperations * 2,
        DotProduct.ByteMatrices => MatrixOperations * 4,

        // Two instructions multiply words.
        DotProduct.WordMatrices => MatrixOperations * 4 / 2,
        DotProduct.Bytes => 2 * Chains * Lanes * 4,
        _ => 2 * Chains * Lanes * 2,
    };

    /// <summary>The machine code of a loop.</summary>
    public static byte[] BytesOf(DotProduct product)
    {
        var assembler = new Assembler(64);
        if (product is DotProduct.BFloat16Matrices or DotProduct.ByteMatrices or DotProduct.WordMatrices)
        {
            WriteMatrices(assembler, product);
        }
        else
        {
            Write(assembler, product);
        }

        return MachineCode.Of(assembler);
    }

    /// <summary>Runs the loop.</summary>
    /// <param name="turns">Turns; positive.</param>
    public void Run(long turns) => ((delegate* unmanaged<long, void>)_code.Start)(turns);

    /// <inheritdoc/>
    public void Dispose() => _code.Dispose();

    private static AssemblerRegister64 Turns => OperatingSystem.IsWindows() ? rcx : rdi;

    private static void WriteMatrices(Assembler code, DotProduct product)
    {
        Label configuration = code.CreateLabel();
        code.ldtilecfg(__[configuration]);
        for (int i = 0; i < MatrixChains + 2; i++)
        {
            code.tilezero(MatrixRegisters.Register(i));
        }

        Label turn = code.CreateLabel();
        code.Label(ref turn);
        AssemblerRegisterTMM left = MatrixRegisters.Register(MatrixChains), right = MatrixRegisters.Register(MatrixChains + 1);
        for (int i = 0; i < MatrixChains; i++)
        {
            AssemblerRegisterTMM sums = MatrixRegisters.Register(i);
            switch (product)
            {
                case DotProduct.BFloat16Matrices:
                    code.tdpbf16ps(sums, left, right);
                    break;
                case DotProduct.WordMatrices when i % 2 == 1:
                    code.tdpbusd(sums, left, right);
                    break;
                default:
                    code.tdpbssd(sums, left, right);
                    break;
            }
        }

        code.dec(Turns);
        code.jne(turn);
        code.tilerelease();
        code.ret();
        code.Label(ref configuration);
        code.db(MatrixRegisters.Configuration([.. Enumerable.Repeat((MatrixRegisters.MostRows, MatrixRegisters.MostBytes), MatrixChains + 2)]));
    }

    private static void Write(Assembler code, DotProduct product)
    {
        AssemblerRegisterZMM left = Vector(Chains), right = Vector(Chains + 1);
        for (int i = 0; i < Chains + 2; i++)
        {
            code.vpxord(Vector(i), Vector(i), Vector(i));
        }

        Label turn = code.CreateLabel();
        code.Label(ref turn);
        for (int i = 0; i < Chains; i++)
        {
            switch (product)
            {
                case DotProduct.BFloat16:
                    code.vdpbf16ps(Vector(i), left, right);
                    break;
                case DotProduct.Bytes:
                    code.vpdpbusd(Vector(i), left, right);
                    break;
                default:
                    code.vpdpwssd(Vector(i), left, right);
                    break;
            }
        }

        code.dec(Turns);
        code.jne(turn);
        code.vzeroupper();
        code.ret();
    }

    private static AssemblerRegisterZMM Vector(int index) => new(Register.ZMM0 + FirstVector + index);
}
