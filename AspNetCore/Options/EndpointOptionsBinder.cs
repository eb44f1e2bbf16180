using Microsoft.Extensions.Options;

namespace NativeFfn.AspNetCore;

/// <summary>Reads options from a section. A key that is none, or a value of the wrong type, is refused by its full name.</summary>
internal static class EndpointOptionsBinder
{
    private static readonly SectionKeys Keys = new(
        nameof(NativeFfnEndpointOptions.ApiKeys),
        nameof(NativeFfnEndpointOptions.MaxRequestBytes), nameof(NativeFfnEndpointOptions.MaxBufferedBytes),
        nameof(NativeFfnEndpointOptions.ModelReload), nameof(NativeFfnEndpointOptions.GrpcHealth),
        nameof(NativeFfnEndpointOptions.GrpcReflection));

    /// <summary>Sets what the section has.</summary>
    /// <exception cref="OptionsValidationException">A key does not exist, or its value is of the wrong type.</exception>
    public static void Bind(IConfigurationSection section, NativeFfnEndpointOptions options)
    {
        options.Section = section.Path;
        if (Keys.WhyRefused(section) is { } why)
        {
            throw Invalid(why);
        }

        try
        {
            section.Bind(options);
        }
        catch (InvalidOperationException unreadable)
        {
            throw Invalid(unreadable.Message);
        }
    }

    private static OptionsValidationException Invalid(string why) =>
        new(nameof(NativeFfnEndpointOptions), typeof(NativeFfnEndpointOptions), [why]);
}
