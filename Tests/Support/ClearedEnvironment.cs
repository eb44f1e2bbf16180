namespace NativeFfn.Tests.Support;

/// <summary>Some of the environment's variables, which are not set until this is disposed or a test sets them.</summary>
internal sealed class ClearedEnvironment : IDisposable
{
    private readonly Dictionary<string, string?> _before = [];

    public ClearedEnvironment(params ReadOnlySpan<string> variables)
    {
        foreach (string variable in variables)
        {
            _before[variable] = Environment.GetEnvironmentVariable(variable);
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    public void Dispose()
    {
        foreach ((string variable, string? value) in _before)
        {
            Environment.SetEnvironmentVariable(variable, value);
        }
    }
}
