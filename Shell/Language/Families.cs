using System.Text;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Shell;

/// <summary>The names of the column families.</summary>
internal static class Families
{
    /// <summary>In the order in which they are exported.</summary>
    public static readonly IReadOnlyList<ColumnFamily> All =
        [ColumnFamily.Default, ColumnFamily.Lock, ColumnFamily.Write];

    public const string Names = "default, lock or write";

    public static string Name(ColumnFamily family) => family switch
    {
        ColumnFamily.Default => "default",
        ColumnFamily.Lock => "lock",
        ColumnFamily.Write => "write",
        _ => throw new ArgumentOutOfRangeException(nameof(family), family, "no such column family"),
    };

    public static bool TryParse(ReadOnlySpan<byte> text, out ColumnFamily family)
    {
        foreach (ColumnFamily candidate in All)
        {
            family = candidate;
            if (text.SequenceEqual(Encoding.ASCII.GetBytes(Name(candidate)))) return true;
        }
        family = default;
        return false;
    }

    public static ColumnFamily Parse(Word word) => TryParse(word.Bytes.Span, out ColumnFamily family)
        ? family
        : throw new ShellException("UnknownFamily", $"{word.Quoted} is no column family; use {Names}");
}
