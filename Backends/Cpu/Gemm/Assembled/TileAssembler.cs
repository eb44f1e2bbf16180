using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace NativeFfn.Backends.Cpu.Gemm.Assembled;

/// <summary>Whose calling convention a tile follows.</summary>
internal enum TileConvention
{
    /// <summary>Linux and its relatives.</summary>
    SystemV,

    /// <summary>Windows.</summary>
    Windows,
}

/// <summary>What every assembled tile begins and ends with, and the registers that it has in between.</summary>
/// <remarks>
/// A tile is a function of one pointer to <see cref="TileArguments"/> without a stack frame of its own. It uses registers only that are the
/// caller's to save, on both systems, but for vectors 6 to 15, whose lower halves Windows wants back: they are kept beside the arguments. Two vectors
/// hold a column of a panel, 32 rows.
/// </remarks>
/// <param name="assembler">Takes the instructions.</param>
/// <param name="convention">Whose calling convention.</param>
internal abstract class TileAssembler(Assembler assembler, TileConvention convention)
{
    /// <summary>Vectors that Windows wants back.</summary>
    public const int SavedVectors = 10;

    /// <summary>Bytes of each that it wants back.</summary>
    public const int SavedBytes = 16;

    /// <summary>Rows of a panel.</summary>
    public const int Rows = 32;

    /// <summary>Bytes that are asked of memory at a time.</summary>
    public const int LineBytes = 64;

    /// <summary>Bytes of a vector.</summary>
    protected const int VectorBytes = 64;

    private const int FirstSaved = 6;

    // The arguments in their order.
    private const int StepsAt = 0;
    private const int WeightsAt = 8;
    private const int TokensAt = 16;
    private const int SumsAt = 24;
    private const int NextAt = 32;
    private const int LinesAt = 40;
    private const int AccumulateAt = 48;
    private const int ScratchAt = 56;
    private const int SavedAt = 64;

    private static readonly AssemblerRegister64 Arguments = r11;
    private static readonly AssemblerRegister64 Next = r9;

    /// <summary>This system's.</summary>
    public static TileConvention OfThisSystem => OperatingSystem.IsWindows() ? TileConvention.Windows : TileConvention.SystemV;

    /// <summary>Where weights are read.</summary>
    protected static AssemblerRegister64 Weights => rax;

    /// <summary>Where tokens are read.</summary>
    protected static AssemblerRegister64 Tokens => rdx;

    /// <summary>Where sums are.</summary>
    protected static AssemblerRegister64 Sums => r8;

    /// <summary>Steps from the one that is multiplied to the last.</summary>
    protected static AssemblerRegister64 Steps => r10;

    /// <summary>Takes the instructions.</summary>
    protected Assembler Code => assembler;

    /// <summary>Assembles a tile.</summary>
    public void Assemble(TileShape shape)
    {
        Begin();
        Start(shape);
        LoadSteps();
        Label step = Code.CreateLabel();
        Code.Label(ref step);
        AskMemory();
        Step(shape);
        Code.dec(Steps);
        Code.jne(step);
        Finish(shape);
        End();
    }

    /// <summary>A vector register.</summary>
    protected static AssemblerRegisterZMM Vector(int index) => new(Register.ZMM0 + index);

    /// <summary>Prepares registers for a tile.</summary>
    protected abstract void Start(TileShape shape);

    /// <summary>Multiplies a step's columns and moves on to the next.</summary>
    protected abstract void Step(TileShape shape);

    /// <summary>Leaves the sums in memory.</summary>
    protected abstract void Finish(TileShape shape);

    /// <summary>Puts a number of 32 bits into all lanes.</summary>
    protected void Broadcast(AssemblerRegisterZMM vector, uint bits)
    {
        Code.mov(ecx, bits);
        Code.vpbroadcastd(vector, ecx);
    }

    /// <summary>Jumps where sums are not added to.</summary>
    protected void JumpUnlessAccumulating(Label target)
    {
        Code.cmp(__qword_ptr[Arguments + AccumulateAt], 0);
        Code.je(target);
    }

    /// <summary>Counts all steps, for who wants to know before the first.</summary>
    protected void LoadSteps() => Code.mov(Steps, __qword_ptr[Arguments + StepsAt]);

    /// <summary>Finds the sums, for whom has taken their register.</summary>
    protected void LoadSums() => Code.mov(Sums, __qword_ptr[Arguments + SumsAt]);

    /// <summary>Finds the room for what is not finished.</summary>
    protected void LoadScratch(AssemblerRegister64 register) => Code.mov(register, __qword_ptr[Arguments + ScratchAt]);

    /// <summary>A token's half of the sums.</summary>
    protected static AssemblerMemoryOperand SumsOf(int token, int half) => __zmmword_ptr[Sums + (((token * 2) + half) * VectorBytes)];

    private void Begin()
    {
        Code.mov(Arguments, convention == TileConvention.Windows ? rcx : rdi);
        for (int i = 0; convention == TileConvention.Windows && i < SavedVectors; i++)
        {
            Code.vmovups(__xmmword_ptr[Arguments + (SavedAt + (i * SavedBytes))], new AssemblerRegisterXMM(Register.XMM0 + FirstSaved + i));
        }

        Code.mov(Weights, __qword_ptr[Arguments + WeightsAt]);
        Code.mov(Tokens, __qword_ptr[Arguments + TokensAt]);
        LoadSums();
        Code.mov(Next, __qword_ptr[Arguments + NextAt]);
    }

    private void AskMemory()
    {
        Label ask = Code.CreateLabel();
        Label asked = Code.CreateLabel();
        Code.mov(rcx, __qword_ptr[Arguments + LinesAt]);
        Code.test(rcx, rcx);
        Code.je(asked);
        Code.Label(ref ask);
        Code.prefetcht1(__byte_ptr[Next]);
        Code.add(Next, LineBytes);
        Code.dec(rcx);
        Code.jne(ask);
        Code.Label(ref asked);
    }

    // Upper halves are cleared, as code without 512-bit vectors is slower with them.
    private void End()
    {
        Code.vzeroupper();
        for (int i = 0; convention == TileConvention.Windows && i < SavedVectors; i++)
        {
            Code.vmovups(new AssemblerRegisterXMM(Register.XMM0 + FirstSaved + i), __xmmword_ptr[Arguments + (SavedAt + (i * SavedBytes))]);
        }

        Code.ret();
    }
}
