namespace Orleans.Raft.Bench;

/// <summary>The same figure, measured several times.</summary>
internal sealed class Samples
{
    private readonly List<double> _values = [];

    public IReadOnlyList<double> Values => _values;

    public bool IsEmpty => _values.Count == 0;

    /// <summary>The middle one; the mean of the middle two of an even number.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public double Median
    {
        get
        {
            if (IsEmpty) throw new InvalidOperationException("Nothing was measured.");
            double[] sorted = [.. _values.Order()];
            int middle = sorted.Length / 2;
            return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }
    }

    public double Min => _values.Min();

    public double Max => _values.Max();

    public void Add(double value) => _values.Add(value);

    /// <summary>Each value divided by the other's of the same run.</summary>
    public Samples DividedBy(Samples other)
    {
        var ratios = new Samples();
        foreach ((double own, double others) in _values.Zip(other._values)) ratios.Add(own / others);
        return ratios;
    }

    /// <summary>The median, and in parentheses the least and the most if there are several.</summary>
    public string ToString(string format) => IsEmpty ? "not measured"
        : _values.Count == 1 ? Median.ToString(format)
        : $"{Median.ToString(format)} ({Min.ToString(format)} - {Max.ToString(format)})";
}
