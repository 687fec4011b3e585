namespace Orleans.Raft.Linearizability;

internal enum StepKind
{
    /// <summary>Needs values and changes none: a get, a scan, a compare-and-set that was not applied.</summary>
    Observe,

    /// <summary>Sets a value, whatever was there: a put, a delete.</summary>
    Overwrite,

    /// <summary>Extends whatever is there.</summary>
    Append,

    /// <summary>Needs one value and sets another: a compare-and-set that was applied.</summary>
    Exchange,
}

/// <summary>An answered operation, in numbers.</summary>
/// <param name="Entry">Its place in the part.</param>
/// <param name="Keys">The keys it touches.</param>
/// <param name="Needs">What must be there for the answer to be right; <see cref="Impossible"/>: nothing makes it
/// right.</param>
/// <param name="Target">What it sets; of an append the number of the suffix.</param>
internal sealed record Step(int Entry, StepKind Kind, int[] Keys, (int Key, int Node)[] Needs, int Target)
{
    /// <summary>A value that no order of operations produces.</summary>
    public const int Impossible = -1;

    public int Key => Keys[0];
}

/// <summary>Operations of unknown outcome that would do the same to the same key, in order of invocation. They are
/// interchangeable: only how many are spent matters.</summary>
internal sealed record UnknownClass(int Number, StepKind Kind, int Key, int From, int Target)
{
    public List<int> Entries { get; } = [];

    /// <summary>How many have been invoked so far.</summary>
    public int Available { get; set; }

    /// <summary>After this position none of them can be of use.</summary>
    public int UsefulUntil { get; set; }
}

/// <summary>How many operations of which unknown classes are spent; immutable.</summary>
internal sealed class Spent
{
    public static readonly Spent Nothing = new([]);

    private readonly (int Class, int Count)[] _counts;

    private Spent((int Class, int Count)[] counts) => _counts = counts;

    public int Of(int number)
    {
        foreach (var (other, count) in _counts)
            if (other == number) return count;
        return 0;
    }

    public Spent With(int number)
    {
        int place = 0;
        while (place < _counts.Length && _counts[place].Class < number) place++;
        if (place < _counts.Length && _counts[place].Class == number)
        {
            var same = ((int, int)[])_counts.Clone();
            same[place] = (number, _counts[place].Count + 1);
            return new Spent(same);
        }
        return new Spent([.. _counts.AsSpan(0, place), (number, 1), .. _counts.AsSpan(place)]);
    }

    /// <summary>Forgets classes that can be of no use any more.</summary>
    public Spent Without(List<UnknownClass> classes, int now)
    {
        foreach (var (number, _) in _counts)
        {
            if (classes[number].UsefulUntil >= now) continue;
            var left = Array.FindAll(_counts, count => classes[count.Class].UsefulUntil >= now);
            return left.Length == 0 ? Nothing : new Spent(left);
        }
        return this;
    }

    /// <summary>Whether what is left can stand in for all that the other has left: no class is spent more, but for
    /// compare-and-sets in whose stead the other spent a put or delete that leaves the same.</summary>
    public bool IsWithin(Spent other, List<UnknownClass> classes)
    {
        foreach (var (number, count) in _counts)
        {
            if (count <= other.Of(number)) continue;
            UnknownClass more = classes[number];
            if (more.Kind != StepKind.Exchange || MissingTo(other, classes, more) > 0) return false;
        }
        return true;
    }

    /// <summary>How many more compare-and-sets than the other this spent that leave a value, less the puts or deletes
    /// of that value that the other spent and this did not.</summary>
    private int MissingTo(Spent other, List<UnknownClass> classes, UnknownClass like)
    {
        int missing = 0;
        foreach (var (number, count) in _counts)
        {
            UnknownClass mine = classes[number];
            if (mine.Kind == StepKind.Exchange && mine.Key == like.Key && mine.Target == like.Target)
                missing += Math.Max(0, count - other.Of(number));
        }
        foreach (var (number, count) in other._counts)
        {
            UnknownClass theirs = classes[number];
            if (theirs.Kind == StepKind.Overwrite && theirs.Key == like.Key && theirs.Target == like.Target)
                missing -= Math.Max(0, count - Of(number));
        }
        return missing;
    }
}

/// <summary>The order found so far, last operation first; shared between configurations.</summary>
internal sealed class Trail(int entry, Trail? previous)
{
    public int Entry { get; } = entry;

    public Trail? Previous { get; } = previous;

    public int Length { get; } = (previous?.Length ?? 0) + 1;
}

/// <summary>Where some order of operations leads.</summary>
/// <param name="Taken">Which of the operations in flight have taken effect, by slot.</param>
/// <param name="State">The value of each key, as a number of the table of states.</param>
internal sealed record Configuration(UInt128 Taken, int State, Spent Spent, Trail? Trail);
