using System.ComponentModel;
using System.Runtime.InteropServices;

namespace NativeFfn.Bindings;

/// <summary>Failures of the system's own functions.</summary>
internal static class SystemCall
{
    /// <summary>The error of the last call that was made with <c>SetLastError</c>.</summary>
    /// <param name="call">What was refused, before the system's words.</param>
    public static Win32Exception Refused(string call)
    {
        int error = Marshal.GetLastPInvokeError();
        return new Win32Exception(error, $"{call}: {Marshal.GetPInvokeErrorMessage(error)}");
    }
}
