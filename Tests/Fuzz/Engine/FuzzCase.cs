namespace Orleans.Raft.Fuzz;

/// <summary>How an input came to be.</summary>
internal enum InputKind
{
    /// <summary>As the grammar made it.</summary>
    Valid,

    /// <summary>Valid but for one bit; checksums as they were.</summary>
    Flipped,

    Mutated,

    /// <summary>Mutated, with the checksums of what it is now.</summary>
    Repaired,

    /// <summary>Random bytes.</summary>
    Noise,
}

/// <summary>One input. It follows from target, seed and number alone.</summary>
/// <param name="Original">Of a flipped one, what it was made of.</param>
internal sealed record FuzzCase(FuzzTarget Target, ulong Seed, long Number, InputKind Kind, byte[] Input,
    byte[]? Original)
{
    public static FuzzCase Make(FuzzTarget target, ulong seed, long number)
    {
        FuzzRandom random = FuzzRandom.For(seed, target.Name, number);
        int kind = random.Below(16);
        if (kind == 0) return new(target, seed, number, InputKind.Noise, random.Bytes(200), null);
        byte[] valid = target.Generate(random);
        if (kind < 3) return new(target, seed, number, InputKind.Valid, valid, null);
        if (kind < 5 && target.IsChecksummed)
            return new(target, seed, number, InputKind.Flipped, target.Flip(random, valid), valid);
        byte[] mutated = target.Mutate(random, valid, target.Generate(random));
        return kind < 8
            ? new(target, seed, number, InputKind.Mutated, mutated, null)
            : new(target, seed, number, InputKind.Repaired, target.Repair(mutated), null);
    }

    /// <summary>Reads the input and checks what comes of it.</summary>
    /// <returns>Whether it was accepted, and what reading it allocated.</returns>
    public (bool IsAccepted, long AllocatedBytes) Run()
    {
        (Reading reading, long allocated) = Measure();
        long bound = Target.AllocationBound(Input.Length);
        // What the runtime allocates when code runs for the first time is not the input's.
        if (allocated > bound) allocated = Math.Min(allocated, Measure().AllocatedBytes);
        if (allocated > bound)
            throw new FindingException($"reading {Input.Length} bytes allocated {allocated}; the bound is {bound}");
        Target.Check(Input, reading);
        if (Kind == InputKind.Valid && Target.GeneratesValid && !reading.IsAccepted)
            throw new FindingException("a valid input was refused");
        if (Kind == InputKind.Flipped) Target.CheckDamaged(Original!, Input, reading);
        return (reading.IsAccepted, allocated);
    }

    private (Reading Reading, long AllocatedBytes) Measure()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Reading reading = Target.Read(Input);
        return (reading, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
