using System.Globalization;
using Microsoft.AspNetCore.WebUtilities;
using NativeFfn.Hosting;

namespace NativeFfn.AspNetCore.Http;

/// <summary>
/// The query of a forward: <c>?mode=ffn|residual|block&amp;deadline=SECONDS&amp;priority=low|normal|high</c>, all of them optional.
/// </summary>
internal static class ForwardQuery
{
    /// <summary>A day: a deadline beyond it is a mistake in the unit.</summary>
    public const int MaxDeadlineSeconds = 86_400;

    /// <summary>Reads a query.</summary>
    /// <exception cref="RequestException">A name or a value is not known.</exception>
    public static FfnRequestOptions Read(QueryString query)
    {
        var mode = FfnMode.Ffn;
        TimeSpan? deadline = null;
        var priority = FfnPriority.Normal;
        foreach (QueryStringEnumerable.EncodedNameValuePair pair in new QueryStringEnumerable(query.Value))
        {
            ReadOnlySpan<char> name = pair.DecodeName().Span;
            ReadOnlySpan<char> value = pair.DecodeValue().Span;
            if (name.SequenceEqual("mode"))
            {
                mode = ParseMode(value);
            }
            else if (name.SequenceEqual("deadline"))
            {
                deadline = ParseDeadline(value);
            }
            else if (name.SequenceEqual("priority"))
            {
                priority = ParsePriority(value);
            }
            else
            {
                throw new RequestException(
                    ProblemKind.BadRequest, $"There is no parameter '{name}'; there are mode, deadline and priority.");
            }
        }

        return new FfnRequestOptions { Mode = mode, Deadline = deadline, Priority = priority };
    }

    /// <summary>A mode by its name.</summary>
    /// <exception cref="RequestException">There is no such mode.</exception>
    public static FfnMode ParseMode(ReadOnlySpan<char> name) => name switch
    {
        "ffn" => FfnMode.Ffn,
        "residual" => FfnMode.Residual,
        "block" => FfnMode.Block,
        _ => throw new RequestException(ProblemKind.BadRequest, $"mode is '{name}', but must be ffn, residual or block."),
    };

    private static FfnPriority ParsePriority(ReadOnlySpan<char> name) => name switch
    {
        "low" => FfnPriority.Low,
        "normal" => FfnPriority.Normal,
        "high" => FfnPriority.High,
        _ => throw new RequestException(ProblemKind.BadRequest, $"priority is '{name}', but must be low, normal or high."),
    };

    private static TimeSpan ParseDeadline(ReadOnlySpan<char> text)
    {
        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            || !(seconds > 0 && seconds <= MaxDeadlineSeconds))
        {
            throw new RequestException(
                ProblemKind.BadRequest, $"deadline is '{text}', but must be seconds above 0, at most {MaxDeadlineSeconds}, such as 0.25.");
        }

        return TimeSpan.FromSeconds(seconds);
    }
}
