namespace NativeFfn.Tests.Software;

/// <summary>One attribute of a descriptor.</summary>
/// <param name="Id">Its number in cublasLt.h.</param>
/// <param name="Size">Bytes of its value; any other size is refused.</param>
/// <param name="Default">Its value where none was set.</param>
internal readonly record struct AttributeRule(int Id, int Size, long Default = 0);

/// <summary>The attributes of an opaque object, each of its own size.</summary>
internal abstract unsafe class AttributeTable(AttributeRule[] rules)
{
    private readonly Dictionary<int, long> _values = [];

    public int Set(int id, nint value, nuint size)
    {
        if (value == 0 || Rule(id) is not { } rule || size != (nuint)rule.Size)
        {
            throw new NativeFailure(CublasResult.InvalidValue, $"Attribute {id} of a {GetType().Name} was set with {size} bytes.");
        }

        long stored = 0;
        Buffer.MemoryCopy((void*)value, &stored, sizeof(long), rule.Size);
        _values[id] = stored;
        return CublasResult.Success;
    }

    /// <summary>A value of 4 bytes as a signed number, and any other as it is.</summary>
    protected long Value(int id)
    {
        AttributeRule rule = Rule(id) ?? throw new ArgumentOutOfRangeException(nameof(id));
        long raw = Raw(rule);
        return rule.Size switch { 1 => (sbyte)raw, 4 => (int)raw, _ => raw };
    }

    protected void Put(int id, long value) => _values[id] = value;

    /// <summary>Whether any attribute but the named ones was set to what is not its default.</summary>
    protected int? SetBeside(ReadOnlySpan<int> known)
    {
        foreach ((int id, long value) in _values)
        {
            if (!known.Contains(id) && value != Rule(id)!.Value.Default)
            {
                return id;
            }
        }

        return null;
    }

    private long Raw(AttributeRule rule) => _values.GetValueOrDefault(rule.Id, rule.Default);

    private AttributeRule? Rule(int id)
    {
        foreach (AttributeRule rule in rules)
        {
            if (rule.Id == id)
            {
                return rule;
            }
        }

        return null;
    }
}
