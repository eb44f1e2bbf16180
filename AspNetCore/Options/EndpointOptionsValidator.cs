using Microsoft.Extensions.Options;
using NativeFfn.AspNetCore.Http;

namespace NativeFfn.AspNetCore;

/// <summary>Holds options against what they may be; every failure names the key and what is allowed, and no API key.</summary>
internal sealed class EndpointOptionsValidator : IValidateOptions<NativeFfnEndpointOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, NativeFfnEndpointOptions options)
    {
        string[] failures = [.. Failures(options)];
        return failures.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    /// <summary>What is wrong with options, a sentence each.</summary>
    public static IEnumerable<string> Failures(NativeFfnEndpointOptions options)
    {
        if (options.MaxRequestBytes < 1)
        {
            yield return TooLittle(options, nameof(options.MaxRequestBytes), options.MaxRequestBytes, 1);
        }

        if (options.MaxBufferedBytes < options.MaxRequestBytes)
        {
            yield return TooLittle(options, nameof(options.MaxBufferedBytes), options.MaxBufferedBytes, options.MaxRequestBytes);
        }

        for (int i = 0; i < options.ApiKeys.Length; i++)
        {
            // The key itself is not repeated: messages end in logs.
            if (!ApiKeyRing.IsSound(options.ApiKeys[i]))
            {
                yield return $"{options.Section}:{nameof(options.ApiKeys)}:{i} must have at least {ApiKeyRing.MinKeyLength} characters, " +
                    "all of them visible ASCII. Make one with: openssl rand -hex 32";
            }
        }
    }

    private static string TooLittle(NativeFfnEndpointOptions options, string key, long value, long least) =>
        $"{options.Section}:{key} is {value}, but must be at least {least}.";
}
