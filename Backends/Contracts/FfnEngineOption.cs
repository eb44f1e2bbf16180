using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using NativeFfn.Backends;

namespace NativeFfn;

/// <summary>An option of an engine, described once: its name, the values it may have, its default and what it is for.</summary>
/// <remarks>
/// The command's options and the configuration of a server are made from <see cref="All"/>; the documentation is tested against it.
/// </remarks>
public sealed class FfnEngineOption
{
    // A day: a bound against a mistyped number.
    private const int MaxParallelSeconds = 86_400;

    private static readonly FfnEngineOptions Defaults = new();

    private readonly Func<FfnEngineOptions, object?> _get;
    private readonly Predicate<FfnEngineOptions> _isAllowed;
    private readonly Func<FfnEngineOptions, string, FfnEngineOptions?> _read;

    private FfnEngineOption(
        string name,
        string placeholder,
        string allowed,
        string description,
        Func<FfnEngineOptions, object?> get,
        Predicate<FfnEngineOptions> isAllowed,
        Func<FfnEngineOptions, string, FfnEngineOptions?> read)
    {
        (Name, Placeholder, Allowed, Description) = (name, placeholder, allowed, description);
        (_get, _isAllowed, _read) = (get, isAllowed, read);
        Default = ValueOf(Defaults) ?? "none";
    }

    /// <summary>Every option.</summary>
    public static ImmutableArray<FfnEngineOption> All { get; } =
    [
        Word(nameof(FfnEngineOptions.Backend), "What computes; auto, the best that is available.",
            static options => options.Backend, static (options, value) => options with { Backend = value }),
        Number(nameof(FfnEngineOptions.Threads), FfnEngineOptions.MaxThreads,
            $"1 to {FfnEngineOptions.MaxThreads}, or 0 for the processors this process may use", "Threads of one forward.",
            static options => options.Threads, static (options, value) => options with { Threads = value }),
        new(nameof(FfnEngineOptions.Numa), "NODES", NumaSetting.Allowed, "The NUMA nodes that threads are bound to.",
            static options => options.Numa,
            static options => NumaSetting.TryParse(options.Numa, out _),
            static (options, text) => options with { Numa = text }),
        Word(nameof(FfnEngineOptions.Kernel), "What the CPU multiplies with; auto, the faster one as measured here.",
            static options => options.Kernel, static (options, value) => options with { Kernel = value }),
        Word(nameof(FfnEngineOptions.Precision), "How matrices are kept in memory.",
            static options => options.Precision, static (options, value) => options with { Precision = value }),
        Number(nameof(FfnEngineOptions.MaxResidentExperts), int.MaxValue, "at least 1, or 0 for all",
            "Experts of a mixture in memory at a time.",
            static options => options.MaxResidentExperts, static (options, value) => options with { MaxResidentExperts = value }),
        Text(nameof(FfnEngineOptions.MklPath), "PATH", "a libmkl_rt file or its folder", "The MKL to use, and no other.",
            static options => options.MklPath, static (options, value) => options with { MklPath = value }),
        Text(nameof(FfnEngineOptions.CblasPath), "PATH", "a CBLAS library's file or its folder", "The CBLAS library to use, and no other.",
            static options => options.CblasPath, static (options, value) => options with { CblasPath = value }),
        Number(nameof(FfnEngineOptions.Device), FfnEngineOptions.MaxDevice, $"0 to {FfnEngineOptions.MaxDevice}",
            "The GPU, by the number that CUDA gives it.",
            static options => options.Device, static (options, value) => options with { Device = value }),
        Text(nameof(FfnEngineOptions.CudaPath), "DIR", "the folder of libcublasLt and libnvrtc",
            "The CUDA libraries to use, and no others.",
            static options => options.CudaPath, static (options, value) => options with { CudaPath = value }),
        new(nameof(FfnEngineOptions.Parallel), "PLAN", ParallelPlan.Allowed,
            "How layers are cut over the ranks of an MPI job.",
            static options => options.Parallel,
            static options => options.Parallel is null || ParallelPlan.TryParse(options.Parallel, out _),
            static (options, text) => options with { Parallel = text }),
        Number(nameof(FfnEngineOptions.ParallelSeconds), MaxParallelSeconds, $"1 to {MaxParallelSeconds}",
            "Seconds that a rank waits for others in a forward.",
            static options => options.ParallelSeconds, static (options, value) => options with { ParallelSeconds = value }, minimum: 1),
        Number(nameof(FfnEngineOptions.ParallelChunks), FfnEngineOptions.MaxParallelChunks, $"1 to {FfnEngineOptions.MaxParallelChunks}, or 0 as measured",
            "Chunks of tokens: one computed, others between ranks.",
            static options => options.ParallelChunks, static (options, value) => options with { ParallelChunks = value }),
        Word(nameof(FfnEngineOptions.Collective), "What rows go between ranks by; auto, nccl where each has a GPU of its own.",
            static options => options.Collective, static (options, value) => options with { Collective = value }),
        Text(nameof(FfnEngineOptions.NcclPath), "PATH", "a libnccl file or its folder", "The NCCL to use, and no other.",
            static options => options.NcclPath, static (options, value) => options with { NcclPath = value }),
        Text(nameof(FfnEngineOptions.MpiPath), "PATH", "a libmpi or libmpich file or its folder", "The MPI to use, and no other.",
            static options => options.MpiPath, static (options, value) => options with { MpiPath = value }),
        new(nameof(FfnEngineOptions.CudaContext), string.Empty, "a CUcontext of the application's, from code alone",
            "The context to work in; 0 for the device's own.",
            static options => options.CudaContext, static _ => true, static (_, _) => null),
        new(nameof(FfnEngineOptions.Autotune), "true|false", "true, false", "Whether the warm-up measures cuBLASLt's algorithms.",
            static options => options.Autotune, static _ => true,
            static (options, text) => bool.TryParse(text, out bool value) ? options with { Autotune = value } : null),
    ];

    /// <summary>The property of <see cref="FfnEngineOptions"/>, and the key in configuration.</summary>
    public string Name { get; }

    /// <summary>The word of a command line that sets the option, such as <c>--mkl-path</c>.</summary>
    public string Switch => "--" + JsonNamingPolicy.KebabCaseLower.ConvertName(Name);

    /// <summary>What stands for the value in a command's help; all values between bars where they are few.</summary>
    public string Placeholder { get; }

    /// <summary>The values that the option may have, in words.</summary>
    public string Allowed { get; }

    /// <summary>The default as text; <c>none</c> for an option that is null.</summary>
    public string Default { get; }

    /// <summary>A sentence on what the option is for.</summary>
    public string Description { get; }

    /// <summary>The option of a name.</summary>
    /// <param name="name">A property of <see cref="FfnEngineOptions"/>.</param>
    /// <exception cref="ArgumentException">There is no such option.</exception>
    public static FfnEngineOption Of(string name) =>
        All.FirstOrDefault(option => option.Name == name) ?? throw new ArgumentException($"There is no option '{name}'.", nameof(name));

    /// <summary>The option's value as text; null where it is not set.</summary>
    /// <param name="options">The options it belongs to.</param>
    public string? ValueOf(FfnEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return _get(options) switch
        {
            null => null,
            bool value => value ? "true" : "false",
            object value => Convert.ToString(value, CultureInfo.InvariantCulture),
        };
    }

    /// <summary>Whether the option's value is one that it may have.</summary>
    /// <param name="options">The options it belongs to.</param>
    public bool IsAllowed(FfnEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return _isAllowed(options);
    }

    /// <summary>Sets the option from text.</summary>
    /// <param name="options">The options to start from.</param>
    /// <param name="text">The value as text.</param>
    /// <param name="changed">The options with that value.</param>
    /// <returns>False where the text is no value that the option may have.</returns>
    public bool TrySet(FfnEngineOptions options, string text, [NotNullWhen(true)] out FfnEngineOptions? changed)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(text);
        changed = _read(options, text);
        if (changed is not null && !_isAllowed(changed))
        {
            changed = null;
        }

        return changed is not null;
    }

    private static FfnEngineOption Word<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields)] T>(
        string name, string description, Func<FfnEngineOptions, T> get, Func<FfnEngineOptions, T, FfnEngineOptions> set)
        where T : struct, Enum => new(
            name,
            string.Join('|', Names<T>.All),
            string.Join(", ", Names<T>.All),
            description,
            options => Enum.IsDefined(get(options)) ? Names<T>.Of(get(options)) : get(options),
            options => Enum.IsDefined(get(options)),
            (options, text) => Names<T>.TryParse(text, out T value) ? set(options, value) : null);

    private static FfnEngineOption Number(
        string name,
        int maximum,
        string allowed,
        string description,
        Func<FfnEngineOptions, int> get,
        Func<FfnEngineOptions, int, FfnEngineOptions> set,
        int minimum = 0) => new(
            name,
            "N",
            allowed,
            description,
            options => get(options),
            options => get(options) >= minimum && get(options) <= maximum,
            (options, text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
                ? set(options, value)
                : null);

    private static FfnEngineOption Text(
        string name,
        string placeholder,
        string allowed,
        string description,
        Func<FfnEngineOptions, string?> get,
        Func<FfnEngineOptions, string, FfnEngineOptions> set) => new(
            name, placeholder, allowed, description, get, static _ => true, (options, text) => set(options, text));
}
