namespace Orleans.Raft.Bench;

/// <summary>A load, the same for every store.</summary>
/// <param name="Clients">Callers at once, each with one operation in flight.</param>
internal sealed record LoadPlan(int Clients, TimeSpan Duration, TimeSpan WarmUp, int Keys, int ValueBytes, ulong Seed)
{
    /// <summary>The value that is written, from the seed.</summary>
    public byte[] CreateValue()
    {
        byte[] value = new byte[ValueBytes];
        new Random((int)(Seed & int.MaxValue)).NextBytes(value);
        return value;
    }
}

/// <summary>What is done under load.</summary>
internal enum LoadKind
{
    Put,

    /// <summary>A linearizable read, by ReadIndex.</summary>
    Get,

    /// <summary>A linearizable read, by lease.</summary>
    LeaseGet,
}
