namespace Orleans.Raft.Grains.Interfaces;

/// <summary>A failed call of <see cref="IKvGrain"/>.</summary>
/// <remarks>
/// Codes: <c>Unavailable</c> (not applied), <c>OutcomeUnknown</c> (may or may not be applied), <c>CrossGroup</c>,
/// <c>EmptyKey</c>, <c>KeyTooLarge</c>, <c>ValueTooLarge</c>, <c>BatchTooLarge</c>, <c>BadArgument</c> (nothing was
/// sent).
/// </remarks>
[GenerateSerializer, Alias("Orleans.Raft.KvGrainException")]
public sealed class KvGrainException : Exception
{
    public KvGrainException(string code, string message) : base(message) => Code = code;

    /// <summary>One stable word for programs.</summary>
    [Id(0)]
    public string Code { get; private set; }
}
