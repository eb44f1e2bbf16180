using NativeFfn.Tests.Running;
using NUnit.Framework;
using NUnit.Framework.Interfaces;

[assembly: CurrentTest]

namespace NativeFfn.Tests.Running;

/// <summary>Writes down each test as it begins, and before it does anything: all that is known of one that ends the process.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class CurrentTestAttribute : TestActionAttribute
{
    private static readonly Lock Gate = new();

    public override ActionTargets Targets => ActionTargets.Test;

    public override void BeforeTest(ITest test)
    {
        if (TestSummary.Folder is { } folder)
        {
            lock (Gate)
            {
                File.WriteAllText(Path.Combine(folder, "current"), test.FullName);
            }
        }
    }
}
