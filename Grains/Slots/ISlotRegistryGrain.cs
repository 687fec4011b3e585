namespace Orleans.Raft.Grains;

/// <summary>Keeps which silo holds which slot. Its key is the silo that it is on; that of the first silo by name is to be
/// asked, all others know nothing.</summary>
[Alias("Orleans.Raft.ISlotRegistryGrain")]
internal interface ISlotRegistryGrain : IGrainWithStringKey
{
    /// <summary>Says that a silo takes slots, and waits for a table newer than <paramref name="seen"/>; null if there is
    /// none for some seconds, or another silo's is to be asked. Who calls it again and again is told of every
    /// change.</summary>
    [Alias("WaitForTable"), ResponseTimeout("00:00:05")]
    Task<SlotTable?> WaitForTable(SlotCandidate candidate, long seen);

    /// <summary>The silo asked to release a slot has stopped it. May be repeated.</summary>
    /// <param name="number">The slot's number when it was asked.</param>
    [Alias("Release"), ResponseTimeout("00:00:03")]
    Task Release(string slot, long number);

    /// <summary>A silo has stopped all its slots and takes none any more.</summary>
    [Alias("Leave"), ResponseTimeout("00:00:03")]
    Task Leave(SlotHolder silo);
}
