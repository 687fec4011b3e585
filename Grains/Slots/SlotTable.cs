namespace Orleans.Raft.Grains;

/// <summary>Which silo holds which slot. Immutable.</summary>
/// <param name="Version">Grows with every change.</param>
/// <param name="Slots">Sorted by name.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.SlotTable")]
internal sealed record SlotTable([property: Id(0)] long Version, [property: Id(1)] SlotRow[] Slots)
{
    public static readonly SlotTable Empty = new(0, []);

    public SlotRow? Find(string slot) => Array.Find(Slots, row => row.Slot == slot);
}

/// <summary>One slot.</summary>
/// <param name="Holder">Who is to host it; null: nobody yet.</param>
/// <param name="Number">Grows with every change of this row.</param>
/// <param name="IsReleasing">The holder is to hand over what the slot leads, stop it and say so: it goes to another
/// silo.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.SlotRow")]
internal sealed record SlotRow([property: Id(0)] string Slot, [property: Id(1)] string Zone,
    [property: Id(2)] SlotHolder? Holder = null, [property: Id(3)] long Number = 0,
    [property: Id(4)] bool IsReleasing = false);

/// <summary>A life of a silo.</summary>
/// <param name="Address">As <see cref="SiloAddress.ToParsableString"/> says it.</param>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.SlotHolder")]
internal sealed record SlotHolder([property: Id(0)] string Silo, [property: Id(1)] string Address);

/// <summary>A silo that takes slots, and those that it is configured to open.</summary>
[GenerateSerializer, Immutable, Alias("Orleans.Raft.SlotCandidate")]
internal sealed record SlotCandidate([property: Id(0)] SlotHolder Silo, [property: Id(1)] SlotRow[] Slots)
{
    public bool CanOpen(string slot) => Array.Exists(Slots, row => row.Slot == slot);
}
