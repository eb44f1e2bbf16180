namespace NativeFfn.Tests.Software;

/// <summary>Which calls fail by order of a test.</summary>
internal sealed class FailurePlan
{
    private readonly Dictionary<string, int> _callsByName = [];
    private readonly List<(string? Name, int Number, int Status)> _failures = [];

    /// <summary>Calls so far, but for the ones that turn a status into text.</summary>
    public int Calls { get; private set; }

    public int CallsOf(string name) => _callsByName.GetValueOrDefault(name);

    /// <summary>The name of the call that failed by order last.</summary>
    public string? Failed { get; private set; }

    public void Add(string? name, int number, int status) => _failures.Add((name, number, status));

    public void Clear() => _failures.Clear();

    /// <summary>Counts a call; its ordered status, or null.</summary>
    /// <param name="name">The function.</param>
    /// <param name="others">
    /// What stands for a status where any call was ordered to fail and this is none of the driver's; null in the driver.
    /// </param>
    public int? Count(string name, int? others)
    {
        Calls++;
        int ofName = _callsByName[name] = CallsOf(name) + 1;
        foreach ((string? failing, int number, int status) in _failures)
        {
            if (failing is null ? number == Calls : failing == name && number == ofName)
            {
                Failed = name;
                return failing is null ? others ?? status : status;
            }
        }

        return null;
    }
}
