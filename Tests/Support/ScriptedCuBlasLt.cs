using System.Runtime.InteropServices;
using NativeFfn.Bindings.CuBlasLt;

namespace NativeFfn.Tests.Support;

/// <summary>A cuBLASLt that does nothing but write down what it is asked and answer as a test says. One test at a time uses it.</summary>
internal static unsafe class ScriptedCuBlasLt
{
    public const long FirstHandle = 0xa000;

    private static readonly List<string> Written = [];
    private static readonly Dictionary<string, int> Answers = [];
    private static nint s_next;

    public static string[] Calls => [.. Written];

    /// <summary>What the heuristic finds: a state and a workspace each.</summary>
    public static (int State, long WorkspaceBytes)[] Found { get; set; } = [];

    public static CuBlasLtLibrary Start()
    {
        Written.Clear();
        Answers.Clear();
        Found = [];
        s_next = (nint)FirstHandle;
        return new CuBlasLtLibrary(Symbols());
    }

    public static void Answer(string function, int status) => Answers[function] = status;

    public static void Forget() => Written.Clear();

    public static ScriptedSymbols Symbols() => new(new()
    {
        ["cublasLtGetVersion"] = (nint)(delegate* unmanaged<nuint>)&GetVersion,
        ["cublasLtGetStatusName"] = (nint)(delegate* unmanaged<int, byte*>)&StatusText,
        ["cublasLtGetStatusString"] = (nint)(delegate* unmanaged<int, byte*>)&StatusText,
        ["cublasLtCreate"] = (nint)(delegate* unmanaged<nint*, int>)&Create,
        ["cublasLtDestroy"] = (nint)(delegate* unmanaged<nint, int>)&Destroy,
        ["cublasLtMatmulDescCreate"] = (nint)(delegate* unmanaged<nint*, int, int, int>)&CreateOperation,
        ["cublasLtMatmulDescDestroy"] = (nint)(delegate* unmanaged<nint, int>)&DestroyOperation,
        ["cublasLtMatmulDescSetAttribute"] = (nint)(delegate* unmanaged<nint, int, byte*, nuint, int>)&SetOperation,
        ["cublasLtMatrixLayoutCreate"] = (nint)(delegate* unmanaged<nint*, int, ulong, ulong, long, int>)&CreateLayout,
        ["cublasLtMatrixLayoutDestroy"] = (nint)(delegate* unmanaged<nint, int>)&DestroyLayout,
        ["cublasLtMatmulPreferenceCreate"] = (nint)(delegate* unmanaged<nint*, int>)&CreatePreference,
        ["cublasLtMatmulPreferenceDestroy"] = (nint)(delegate* unmanaged<nint, int>)&DestroyPreference,
        ["cublasLtMatmulPreferenceSetAttribute"] = (nint)(delegate* unmanaged<nint, int, byte*, nuint, int>)&SetPreference,
        ["cublasLtMatmulAlgoGetHeuristic"] =
            (nint)(delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint, int, CuBlasLtHeuristicResult*, int*, int>)&GetHeuristic,
        ["cublasLtMatmulAlgoCheck"] = (nint)(delegate* unmanaged<nint, nint, nint, nint, nint, nint, CuBlasLtAlgorithm*, CuBlasLtHeuristicResult*, int>)&Check,
        ["cublasLtMatmul"] =
            (nint)(delegate* unmanaged<nint, nint, float*, nint, nint, nint, nint, float*, nint, nint, nint, nint, CuBlasLtAlgorithm*, nint, nuint, nint, int>)&Multiply,
    });

    private static int Write(string function, FormattableString arguments)
    {
        Written.Add($"{function}({FormattableString.Invariant(arguments)})");
        return Answers.GetValueOrDefault(function);
    }

    private static int Make(nint* made, string function, FormattableString arguments)
    {
        int status = Write(function, arguments);
        *made = status == 0 ? ++s_next : 0;
        return status;
    }

    private static string Hex(byte* value, nuint size) => Convert.ToHexString(new ReadOnlySpan<byte>(value, (int)size));

    [UnmanagedCallersOnly]
    private static nuint GetVersion() => 120405;

    // Never freed: the library's own texts are not, either.
    [UnmanagedCallersOnly]
    private static byte* StatusText(int status) => (byte*)Marshal.StringToCoTaskMemUTF8($"STATUS_{status}");

    [UnmanagedCallersOnly]
    private static int Create(nint* handle) => Make(handle, "cublasLtCreate", $"");

    [UnmanagedCallersOnly]
    private static int Destroy(nint handle) => Write("cublasLtDestroy", $"{handle:x}");

    [UnmanagedCallersOnly]
    private static int CreateOperation(nint* operation, int compute, int scale) => Make(operation, "cublasLtMatmulDescCreate", $"{compute}, {scale}");

    [UnmanagedCallersOnly]
    private static int DestroyOperation(nint operation) => Write("cublasLtMatmulDescDestroy", $"{operation:x}");

    [UnmanagedCallersOnly]
    private static int SetOperation(nint operation, int attribute, byte* value, nuint size) =>
        Write("cublasLtMatmulDescSetAttribute", $"{operation:x}, {attribute}, {Hex(value, size)}");

    [UnmanagedCallersOnly]
    private static int CreateLayout(nint* layout, int type, ulong rows, ulong columns, long leadingDimension) =>
        Make(layout, "cublasLtMatrixLayoutCreate", $"{type}, {rows}, {columns}, {leadingDimension}");

    [UnmanagedCallersOnly]
    private static int DestroyLayout(nint layout) => Write("cublasLtMatrixLayoutDestroy", $"{layout:x}");

    [UnmanagedCallersOnly]
    private static int CreatePreference(nint* preference) => Make(preference, "cublasLtMatmulPreferenceCreate", $"");

    [UnmanagedCallersOnly]
    private static int DestroyPreference(nint preference) => Write("cublasLtMatmulPreferenceDestroy", $"{preference:x}");

    [UnmanagedCallersOnly]
    private static int SetPreference(nint preference, int attribute, byte* value, nuint size) =>
        Write("cublasLtMatmulPreferenceSetAttribute", $"{preference:x}, {attribute}, {Hex(value, size)}");

    [UnmanagedCallersOnly]
    private static int GetHeuristic(
        nint handle, nint operation, nint a, nint b, nint c, nint d, nint preference, int wanted, CuBlasLtHeuristicResult* results, int* found)
    {
        *found = Math.Min(wanted, Found.Length);
        for (int i = 0; i < *found; i++)
        {
            results[i] = new CuBlasLtHeuristicResult
            {
                State = Found[i].State, WorkspaceSize = (nuint)Found[i].WorkspaceBytes, WavesCount = i + 0.5f,
            };
            results[i].Algorithm.Data[7] = (ulong)(100 + i);
        }

        return Write("cublasLtMatmulAlgoGetHeuristic", $"{handle:x}, {operation:x}, {a:x}, {b:x}, {c:x}, {d:x}, {preference:x}, {wanted}");
    }

    [UnmanagedCallersOnly]
    private static int Check(nint handle, nint operation, nint a, nint b, nint c, nint d, CuBlasLtAlgorithm* algorithm, CuBlasLtHeuristicResult* result)
    {
        *result = new CuBlasLtHeuristicResult { WorkspaceSize = 4096, WavesCount = 0.75f, State = Found.Length > 0 ? Found[0].State : 0 };
        return Write("cublasLtMatmulAlgoCheck", $"{handle:x}, {operation:x}, {a:x}, {b:x}, {c:x}, {d:x}, {algorithm->Data[7]}");
    }

    [UnmanagedCallersOnly]
    private static int Multiply(
        nint handle, nint operation, float* alpha, nint a, nint aLayout, nint b, nint bLayout, float* beta, nint c, nint cLayout, nint d, nint dLayout,
        CuBlasLtAlgorithm* algorithm, nint workspace, nuint workspaceBytes, nint stream) =>
        Write(
            "cublasLtMatmul",
            $"{handle:x}, {operation:x}, {*alpha}, {a:x}, {aLayout:x}, {b:x}, {bLayout:x}, {*beta}, {c:x}, {cLayout:x}, {d:x}, {dLayout:x}, {algorithm->Data[7]}, {workspace:x}, {workspaceBytes}, {stream:x}");
}
