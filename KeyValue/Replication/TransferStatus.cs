namespace Orleans.Raft.KeyValue;

/// <summary>What became of a request to hand over leadership; see
/// <see cref="Replica.TransferLeadershipAsync"/>.</summary>
public enum TransferStatus
{
    /// <summary>It began; whether the target wins is not known yet.</summary>
    Started,

    /// <summary>The target leads already.</summary>
    LeadsAlready,

    /// <summary>The replica does not lead; nothing happened.</summary>
    NotLeader,

    /// <summary>The group has no replica on the target; nothing happened.</summary>
    UnknownTarget,

    /// <summary>The replica has stopped; nothing happened.</summary>
    Unavailable,
}
