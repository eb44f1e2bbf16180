namespace NativeFfn;

/// <summary>How much of a transformer block's feed-forward half is computed.</summary>
public enum FfnMode
{
    /// <summary>y = FFN(x); norms are left out.</summary>
    Ffn,

    /// <summary>y = residual + FFN(x); norms are left out.</summary>
    Residual,

    /// <summary>y = post(x + branch(FFN(pre(x)))), each norm where the layer has it; the residual is the un-normalised x.</summary>
    Block,
}
