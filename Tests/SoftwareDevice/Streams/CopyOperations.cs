namespace NativeFfn.Tests.Software;

/// <summary>Copies and fills. Host memory is read and written when the copy runs, not when it is queued.</summary>
internal sealed unsafe class CopyOperation(Launch launch, nint destination, nint source, Allocation? pinned) : Operation(launch)
{
    public override void Execute(SoftwareDevice device, SoftwareStream stream)
    {
        int ordinal = stream.Context.Ordinal;
        string what = ToString();
        if (pinned is { IsLive: false })
        {
            throw new NativeFailure(CudaResult.IllegalAddress, $"{what} touches pinned memory, {pinned}, which was freed.");
        }

        byte* from = Launch!.Kind == LaunchKind.CopyToDevice ? (byte*)source : device.Memory.Resolve(source, Launch.Bytes, ordinal, what);
        byte* to = Launch.Kind == LaunchKind.CopyToHost ? (byte*)destination
            : device.Memory.Resolve(destination, Launch.Bytes, ordinal, what);
        Buffer.MemoryCopy(from, to, Launch.Bytes, Launch.Bytes);
    }

    public override bool Uses(Allocation allocation) => ReferenceEquals(allocation, pinned);
}

/// <summary>Sets bytes.</summary>
internal sealed unsafe class FillOperation(Launch launch, nint destination, byte value) : Operation(launch)
{
    public override void Execute(SoftwareDevice device, SoftwareStream stream) =>
        new Span<byte>(
            device.Memory.Resolve(destination, Launch!.Bytes, stream.Context.Ordinal, ToString()), checked((int)Launch.Bytes)).Fill(value);
}
