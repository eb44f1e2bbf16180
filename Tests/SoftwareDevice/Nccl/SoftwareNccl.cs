namespace NativeFfn.Tests.Software;

/// <summary>NCCL's ranks on a software device: which ones belong together, and what they do with each other.</summary>
internal sealed class SoftwareNccl
{
    private readonly Dictionary<long, CommunicatorGroup> _groups = [];

    /// <summary>As NCCL writes versions: 2.22.3.</summary>
    public int Version { get; set; } = 22203;

    /// <summary>Whether an abort does not come to an end.</summary>
    public bool HoldsAborts { get; set; }

    /// <summary>What ncclGetLastError says.</summary>
    public string LastError { get; set; } = string.Empty;

    /// <summary>A group of ranks that find each other by a number.</summary>
    public long AddGroup()
    {
        long number = _groups.Count + 1;
        _groups.Add(number, new CommunicatorGroup());
        return number;
    }

    public CommunicatorGroup Find(long number) => _groups.GetValueOrDefault(number)
        ?? throw new NativeFailure(NcclResult.InvalidArgument, "A rank was made with an id that ncclGetUniqueId has not given.");

    /// <summary>Lets a rank meet an error while nothing is called.</summary>
    public void Fail(int rank, int status)
    {
        foreach (SoftwareCommunicator? one in _groups.Values.SelectMany(static group => group.Members).Where(one => one?.Rank == rank))
        {
            one!.AsyncError = status;
        }
    }
}

/// <summary>Ranks that belong together.</summary>
internal sealed class CommunicatorGroup
{
    private readonly List<CollectiveMeeting> _meetings = [];

    public SoftwareCommunicator?[] Members { get; private set; } = [];

    public bool IsComplete => Members.All(static member => member is not null);

    public void Join(SoftwareCommunicator joining, int ranks)
    {
        Members = Members.Length == 0 ? new SoftwareCommunicator?[ranks] : Members;
        if (Members.Length != ranks || (uint)joining.Rank >= (uint)ranks || Members[joining.Rank] is not null)
        {
            throw new NativeFailure(
                NcclResult.InvalidArgument, $"Rank {joining.Rank} of {ranks} joins a group of {Members.Length}, or twice.");
        }

        Members[joining.Rank] = joining;
    }

    /// <summary>Where the ranks do their n-th operation.</summary>
    public CollectiveMeeting Meeting(int number)
    {
        while (_meetings.Count <= number)
        {
            _meetings.Add(new CollectiveMeeting(Members.Length));
        }

        return _meetings[number];
    }
}

/// <summary>ncclComm_t, whose calls do not wait.</summary>
internal sealed class SoftwareCommunicator(CommunicatorGroup group, int rank, SoftwareContext context)
{
    public CommunicatorGroup Group => group;

    public int Rank => rank;

    public SoftwareContext Context => context;

    /// <summary>Operations that were called so far.</summary>
    public int Operations { get; set; }

    /// <summary>Operations that are on a stream and not done.</summary>
    public int Outstanding { get; set; }

    /// <summary>Whether the last call has not been asked after: it answers "in progress" once at least.</summary>
    public bool IsPending { get; set; } = true;

    public bool IsFinalizing { get; set; }

    public bool IsAborted { get; set; }

    /// <summary>What it met that no call told; or 0.</summary>
    public int AsyncError { get; set; }
}

/// <summary>One operation of all ranks: it is done when each one's stream has come to it, and not before.</summary>
internal sealed class CollectiveMeeting(int ranks)
{
    private readonly CollectiveOperation?[] _arrived = new CollectiveOperation?[ranks];
    private bool _isDone;

    public bool Arrive(SoftwareDevice device, CollectiveOperation operation)
    {
        _arrived[operation.Rank] = operation;
        if (Array.Exists(_arrived, static one => one is null))
        {
            return false;
        }

        if (!_isDone)
        {
            _isDone = true;
            if (Array.Find(_arrived, one => one!.What != operation.What) is { } other)
            {
                device.Violate($"Rank {operation.Rank} is in {operation.What}, and rank {other.Rank} in {other.What}.");
                return true;
            }

            operation.Perform(device, _arrived!);
        }

        return true;
    }
}

/// <summary>An operation of a rank's on its stream.</summary>
internal sealed unsafe class CollectiveOperation(Launch launch, SoftwareCommunicator communicator, nint send, nint receive, int root)
    : Operation(launch)
{
    private readonly int _number = communicator.Operations++;

    public int Rank => communicator.Rank;

    /// <summary>What all ranks have to agree on.</summary>
    public (string Name, long Bytes, int Root) What => (Launch!.Name, Launch.Bytes, root);

    public override bool Waits(SoftwareDevice device) =>
        !communicator.IsAborted && (communicator.AsyncError != 0 || !communicator.Group.Meeting(_number).Arrive(device, this));

    public override void Execute(SoftwareDevice device, SoftwareStream stream) => communicator.Outstanding--;

    /// <summary>Moves the rows of all ranks; sums are added in the order of ranks.</summary>
    public void Perform(SoftwareDevice device, CollectiveOperation[] ranks)
    {
        int length = checked((int)(Launch!.Bytes / sizeof(float)));
        float[] result = new Span<float>(ranks[Math.Max(root, 0)].Resolve(device, sends: true), length).ToArray();
        foreach (CollectiveOperation other in root < 0 ? ranks[1..] : [])
        {
            var added = new Span<float>(other.Resolve(device, sends: true), length);
            for (int i = 0; i < length; i++)
            {
                result[i] += added[i];
            }
        }

        foreach (CollectiveOperation other in ranks)
        {
            result.CopyTo(new Span<float>(other.Resolve(device, sends: false), length));
        }
    }

    private float* Resolve(SoftwareDevice device, bool sends) =>
        (float*)device.Memory.Resolve(sends ? send : receive, Launch!.Bytes, communicator.Context.Ordinal, ToString());
}
