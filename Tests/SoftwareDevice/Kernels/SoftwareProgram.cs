using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace NativeFfn.Tests.Software;

/// <summary>A program of the software compiler, which reads options and includes and no code: the kernels are known.</summary>
internal sealed partial class SoftwareProgram(string name, string source, IReadOnlyDictionary<string, string> headers)
{
    private static readonly string[] KnownOptions =
    [
        "--std=", "-std=", "--fmad=", "-fmad=", "--use_fast_math", "--restrict", "--extra-device-vectorization",
        "--device-as-default-execution-space",
        "-default-device", "--generate-line-info", "-lineinfo", "--relocatable-device-code=", "--maxrregcount=", "--minimal", "--ftz=",
        "--prec-div=",
        "--prec-sqrt=", "--split-compile=", "--dopt=",
    ];

    /// <summary>What the compiler says, ended by a zero.</summary>
    public byte[] Log { get; private set; } = [0];

    /// <summary>Empty before it compiled, and where no machine code was asked for.</summary>
    public byte[] Cubin { get; private set; } = [];

    public int Compile(string[] options, int[] architectures)
    {
        int architecture = 52;
        var precisions = new List<ModulePrecision>();
        foreach (string option in options)
        {
            if (ArchitectureOption().Match(option) is { Success: true } found)
            {
                architecture = int.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture);
            }
            else if (MacroOption().Match(option) is { Success: true } macro)
            {
                precisions.AddRange(ModulePrecision.All.Where(precision => precision.Macro == macro.Groups[1].Value));
            }
            else if (!KnownOptions.Any(known => option.StartsWith(known, StringComparison.Ordinal)))
            {
                return Fail(NvrtcResult.InvalidOption, $"nvrtc: error: unrecognized option {option}");
            }
        }

        if (!architectures.Contains(architecture))
        {
            return Fail(NvrtcResult.InvalidOption, $"nvrtc: error: invalid value for --gpu-architecture: sm_{architecture}");
        }

        if (Missing(source) is { } missing)
        {
            return Fail(NvrtcResult.Compilation, $"{name}(1): catastrophic error: cannot open source file \"{missing}\"");
        }

        if (precisions.Count != 1)
        {
            return Fail(NvrtcResult.Compilation, $"{name}(1): error: #error one precision must be defined, not {precisions.Count}");
        }

        Cubin = new SoftwareCubin(architecture, precisions[0]).Write();
        return NvrtcResult.Success;
    }

    // The first file, however deep, that is included and not given.
    private string? Missing(string text)
    {
        var seen = new HashSet<string>();
        var open = new Stack<string>([text]);
        while (open.TryPop(out string? next))
        {
            foreach (Match include in Include().Matches(next))
            {
                string file = include.Groups[1].Value;
                if (!headers.TryGetValue(file, out string? header))
                {
                    return file;
                }

                if (seen.Add(file))
                {
                    open.Push(header);
                }
            }
        }

        return null;
    }

    private int Fail(int status, string log)
    {
        Log = Encoding.UTF8.GetBytes(log + "\n\0");
        return status;
    }

    [GeneratedRegex(@"^(?:--gpu-architecture=|-arch=)sm_(\d+)a?$")]
    private static partial Regex ArchitectureOption();

    [GeneratedRegex(@"^(?:-D|--define-macro=)(\w+)(?:=.*)?$")]
    private static partial Regex MacroOption();

    [GeneratedRegex("""^\s*#\s*include\s*["<]([^">]+)[">]""", RegexOptions.Multiline)]
    private static partial Regex Include();
}
