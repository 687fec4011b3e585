namespace Orleans.Raft.Fuzz;

/// <summary>What reading an input came to.</summary>
/// <param name="Content">What was read, for <see cref="FuzzTarget.Check"/>; it may be there although not all was
/// accepted.</param>
internal readonly record struct Reading(bool IsAccepted, object? Content = null)
{
    public static readonly Reading Refused;
}

/// <summary>An input that was not dealt with as documented.</summary>
internal sealed class FindingException(string message) : Exception(message);

/// <summary>
/// One parser: how valid inputs of it look, and what must hold of any. Everything that <see cref="Read"/> or
/// <see cref="Check"/> throws is a finding.
/// </summary>
internal abstract class FuzzTarget
{
    public abstract string Name { get; }

    /// <summary>The part of all inputs that is this target's, beside the others'.</summary>
    public virtual int Weight => 10;

    /// <summary>Whether any flipped bit of a valid input must be noticed.</summary>
    public virtual bool IsChecksummed => false;

    /// <summary>Whether everything that <see cref="Generate"/> makes must be accepted.</summary>
    public virtual bool GeneratesValid => true;

    /// <summary>An input by the grammar.</summary>
    public abstract byte[] Generate(FuzzRandom random);

    public virtual byte[] Mutate(FuzzRandom random, byte[] input, byte[] other) => Mutator.Mutate(random, input, other);

    public virtual byte[] Flip(FuzzRandom random, byte[] input) => Mutator.Flip(random, input);

    /// <summary>Recomputes checksums, so that damage reaches what is behind them.</summary>
    public virtual byte[] Repair(byte[] input) => input;

    /// <summary>Gives the input to the product. What this allocates is measured.</summary>
    public abstract Reading Read(byte[] input);

    /// <summary>Throws unless what was read means what the input says.</summary>
    public virtual void Check(byte[] input, Reading reading)
    {
    }

    /// <summary>Throws unless the damage was noticed.</summary>
    /// <param name="damaged"><paramref name="original"/> with one bit flipped.</param>
    public virtual void CheckDamaged(byte[] original, byte[] damaged, Reading reading)
    {
        if (reading.IsAccepted) throw new FindingException("a flipped bit was not noticed");
    }

    /// <summary>The most bytes that reading an input of that length may allocate.</summary>
    public abstract long AllocationBound(int inputLength);

    /// <summary>The command that runs one input again.</summary>
    public virtual string Replay(ulong seed, long number) =>
        $"dotnet run --project Tests/Fuzz -c Release -- --target {Name} --seed {seed} --number {number}";

    /// <summary>Throws unless an accepted input is what its meaning is written as. Where a number has several forms,
    /// the input may be longer, but not different.</summary>
    protected static void RequireSame(ReadOnlySpan<byte> input, ReadOnlySpan<byte> written, bool oneForm = true)
    {
        if (input.SequenceEqual(written)) return;
        if (!oneForm && written.Length < input.Length) return;
        throw new FindingException($"accepted, but written back as {Convert.ToHexStringLower(written)}");
    }
}
